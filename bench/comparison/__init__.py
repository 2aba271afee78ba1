"""Is the candidate worse than the baseline? A paired comparison of two runs."""
