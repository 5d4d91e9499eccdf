"""From a grid file to finished cells: the plan, worker processes, and the record of what was asked.

`grids/*.toml` are the grids by name; a new grid is one file there. What a cell does is the caller's business:
workers run a command that is handed in. Objectives are names here.
"""
