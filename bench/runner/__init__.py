"""Asking: the plan of a run, its session, the workers that ask, the cache and the captions."""
