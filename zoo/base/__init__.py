"""What everything else stands on: errors, files, locks, names, the machine, the style of figures.

Nothing here knows an objective, a data set or a grid, and nothing here imports another room of the project.
Touch it for a fault in how files are written, errors are reported or the machine is asked.
"""
