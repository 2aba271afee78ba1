"""Trainings by two real processes each, which have an environment of their own: `make test-zero3` makes it and runs them there.

Everywhere else they are not collected: DeepSpeed is not installed.
"""

from __future__ import annotations

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("deepspeed") is not None else ["test_*.py"]
