"""The shipped judges: weights, and a JSON file each that says how they were trained. They never change."""
