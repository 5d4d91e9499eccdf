"""The scores: the judge, the Frechet distance and its kin, and ranks with their intervals.

Its top holds what one runs (python -m eval.fid, eval.compare, eval.judge) and a cell from configuration to result.
It knows `zoo`; nothing in `zoo` knows it.
"""
