"""Logs of other harnesses as runs."""
