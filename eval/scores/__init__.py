"""Images, real or generated, to numbers: Frechet distances with their errors, accuracy, copies, validation loss.

Every definition here is part of the published results: a change of one raises the version of the result files.
"""
