"""From a checkpoint to images: guidance and clipping around a denoiser, a trained run that draws, pictures as files.

All that a sampler sees of an objective is its denoiser. Scores are unknown here.
Touch it for how images are drawn and written; the solvers themselves lie in `zoo/solvers`.
"""
