"""The grids that come with the project, one TOML file each; `zoo/grid/files.py` says what a grid file holds."""
