"""Inspect AI: our suites as its tasks, our runs as its logs."""
