"""What a page draws, and the one table of its figures (`catalogue.py`); `zoo/base/figure.py` is the style."""
