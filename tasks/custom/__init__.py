"""Puzzles of the user's own: any table of pictures, questions and answers as a suite."""
