"""Samplers and step grids: from noise to an image through any denoiser, as functions of a path alone.

Control settings name what is here, so it lies below the configuration; `zoo/sampling` applies it to trained runs.
Add a sampler as one function and one line in `SAMPLERS`, a step grid as one class and one line in `STEP_GRIDS`.
"""
