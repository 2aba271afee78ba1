"""One module per command: it takes parsed arguments, does the work and returns an exit code."""
