"""Packages that are heavy or optional, imported where they are used and by name.

`optional` is the only way to import one: it turns a missing package into one line that names the command that installs it. Packages of the
core (numpy, pandas, pyarrow, scipy, Pillow) are imported normally, inside the function that needs them where they are slow to load.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from bench.errors import MissingExtraError

_INSTALLED_AS = {"inspect_ai": "inspect-ai", "google": "google-auth", "botocore": "boto3", "yaml": "pyyaml"}
"""Module -> package, where their names differ."""


def optional(module: str, extra: str) -> Any:
    """The module `module`, which comes with the extra `extra` of this project.

    Its type is `Any`: without the extra there are no types to check against.

    Raises:
        MissingExtraError: the package is not installed. A package that is there and fails to import something else is not hidden.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or (module != error.name and not module.startswith(f"{error.name}.")):
            raise
        raise MissingExtraError(_INSTALLED_AS.get(package, package), extra) from error


def missing(packages: Sequence[str]) -> str | None:
    """The first of `packages` that is not installed, or None. Nothing is imported."""
    return next((name for name in packages if importlib.util.find_spec(name) is None), None)


def own(path: str) -> Callable[..., Any]:
    """Something of this project that is written as `package.module:name` in a table, imported when it is asked for."""
    module, _, name = path.partition(":")
    found: ModuleType = importlib.import_module(module)
    return getattr(found, name)
