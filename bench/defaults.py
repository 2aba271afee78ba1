"""Defaults that several rooms share: what holds where nobody names a value, on the command line, from Python and in Inspect AI."""

from __future__ import annotations

SUITE = "mini"
"""The suite of small pictures that the shipped checkpoints were trained for."""
AUTO = "auto"
"""In place of a number of requests at once: as many as the server turns out to take (`bench.runner.throttle`)."""
CONCURRENCY = 16
"""Requests at once to models that run in this process, where nobody names a number."""
ATTEMPTS = 8
"""Times a request is tried in all."""
MARGIN = 0.02
"""Largest loss of accuracy that a comparison tolerates, a share."""
