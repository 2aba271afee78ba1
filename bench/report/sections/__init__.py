"""Sections that several formats show alike: the audit of captions, damaged pictures, fresh twins of a public set."""
