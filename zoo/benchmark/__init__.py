"""How fast a machine trains and samples, beside its ceiling, each measurement in a process of its own.

`speed.py` measures in one process, `modes.py` puts the modes side by side. No result of a grid depends on it.
"""

RANDOM_IMAGES = 10_000  # that measured training draws its batches from
