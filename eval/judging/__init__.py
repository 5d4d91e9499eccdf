"""The judge: a small classifier, its training and its versions, which are part of every score.

A shipped version never changes: results under different judges are never compared.
A new version is trained under a new name and has to pass the gate in `eval/scores/gate.py`.
"""
