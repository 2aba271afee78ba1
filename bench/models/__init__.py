"""Models under test: one file per provider, one protocol (`base`), one table of aliases."""
