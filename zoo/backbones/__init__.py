"""The networks: a small DiT and diffusers' U-Net, their conditioning, and their sizes as arguments of a name.

A backbone takes (x [B, C, H, W], time [B], labels [B]) and knows no objective and no data set.
Add one as a network, a size class and its word in `zoo/registry.py`.
"""
