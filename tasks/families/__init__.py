"""The generated families, one file each."""
