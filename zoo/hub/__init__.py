"""A trained run as others load it: a diffusers pipeline in a folder, its model card, and the way to the hub.

It knows a run's files and nothing of how scores are computed: a card repeats what result.json says.
"""
