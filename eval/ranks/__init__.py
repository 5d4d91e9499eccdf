"""Scores of many runs to ranks: control settings, intervals, comparisons, sensitivity.

Pure functions of rows of scores: no network, no images and no files but those of a run's folder (`board.py`).
"""
