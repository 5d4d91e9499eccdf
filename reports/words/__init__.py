"""What a page says: the answer, tables, sentences, papers, as blocks (`document.py`) without a format.

Every sentence is computed from the run's numbers. HTML and Markdown are unknown here.
"""
