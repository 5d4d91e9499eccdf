"""What a network sees of images: their pixels, or the latents of an auto-encoder; and the auto-encoders themselves.

A run asks a space for its batches and gives it back what was drawn; nothing else knows which space that is. Touch it
for another kind of auto-encoder: a final class in `names.py` and a line in its table.
"""
