"""Puzzles: families that draw, describe, read and solve them, and suites that are made of them."""
