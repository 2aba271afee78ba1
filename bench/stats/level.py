"""The level of every test and interval that names no other."""

from __future__ import annotations

ALPHA = 0.05
"""Two-sided; an interval covers 1 - alpha."""
