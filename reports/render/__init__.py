"""Blocks as HTML, Markdown or text for a terminal; the HTML page is one file that needs nothing from outside."""
