"""An objective = path x target x density x weight, and what goes beyond: couplings and auxiliary terms.

One file for each axis, one final class for each idea; `core.py` puts them together, `families.py` lists names.
Add a class here and its word in `zoo/registry.py`; networks, data and files are unknown here.
"""
