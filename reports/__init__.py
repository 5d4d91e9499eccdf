"""Pages, tables and figures, made from result files alone: python -m reports DIR.

`page.py` puts a page together; its folders read files, find words, draw figures and write formats.
`reference/` holds committed results. Nothing here trains or scores.
"""
