"""Data sets: their names and shapes, their archives fetched and verified, whole in memory as uint8.

`sets.py` is read without torch; `dataset.py` holds the images and what is done to a batch of them.
Objectives, networks and training are unknown here.
"""
