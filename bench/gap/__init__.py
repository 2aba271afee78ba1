"""The gap document: everything that is reckoned from the records of runs, with its intervals."""
