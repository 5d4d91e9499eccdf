"""From a configuration to a checkpoint: batches, steps, optimisers, averages, logs and trackers.

Every random number is a function of (seed, stream, step), the same for all objectives. A change here must keep the
hashes of the default objectives' checkpoints, or say that it does not. How images are drawn is unknown here.
"""
