"""The public sets, AlgoPuzzleVQA and PuzzleVQA, from the authors' files or the hub."""
