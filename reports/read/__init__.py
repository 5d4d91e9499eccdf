"""A run's result files, read once and checked, and the same as CSV rows and as JSON.

What a column means is said in `results.py`; the JSON's layout is published as `reports/results.schema.json`.
"""
