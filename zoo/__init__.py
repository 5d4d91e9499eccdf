"""Objective zoo: diffusion objectives, trained and sampled with everything else held equal.

Its top holds what one runs (python -m zoo.train, zoo.sample, zoo.bench, zoo.objective) and the registry of names;
its folders hold how it is done. To add an objective, touch `objectives/` and one line of `registry.py`.
"""
