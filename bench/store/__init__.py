"""A run directory: written safely, read once, typed."""
