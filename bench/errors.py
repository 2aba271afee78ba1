"""What can go wrong, sorted by who has to act.

`UserError` is a person's mistake: one line on standard error, no traceback, exit code 2. `ModelError` is trouble with a provider; its
three kinds say what the runner must do, so that a provider only classifies and never decides:

- `Transient`: ask again after a wait (rate limit, overload, dropped connection, timeout);
- `Rejected`: this request will never be answered; the trial becomes an `error` record and the run goes on;
- `Unusable`: no request of this model will be answered (bad key, spend cap, unknown model); the run stops and can be resumed.

An outcome of a trial (wrong, refused, truncated) is data and never an exception.
"""

from __future__ import annotations

from pathlib import Path

CHECKOUT = (Path(__file__).resolve().parents[1] / "pyproject.toml").is_file()
"""Whether this code runs from a clone of the repository, and not from an installed wheel."""


class SightgapError(Exception):
    """Base of every error this project raises on purpose. `exit_code` is what the command returns."""

    exit_code = 2


class UserError(SightgapError):
    """Something a person typed, configured or pointed at cannot be used. The message says what was expected, found, and to do."""


class BadDataError(UserError):
    """A puzzle, row or image that cannot be used; the message names the file and the line."""


class MissingExtraError(UserError):
    """An optional package is not installed. The message names the command that installs it."""

    def __init__(self, package: str, extra: str) -> None:
        project = "." if CHECKOUT else "sightgap"
        super().__init__(f"{package} is not installed: run  pip install '{project}[{extra}]'")


class MissingKeyError(UserError):
    """A provider's key, region or credentials are not set. The message names the variable."""


class ReplayMissError(SightgapError):
    """`--replay` met a request that the cache does not hold."""

    exit_code = 3


class OverBudget(SightgapError):  # noqa: N818
    """The next request could cost more than is left of the money bound."""

    exit_code = 3


class ModelError(SightgapError):
    """Trouble with a model provider.

    Attributes:
        status: the HTTP status, where there was one.
        request_id: the provider's id of the request, where it named one.
        maybe_paid: whether the provider may have done the work and will charge for it (a timeout, a broken answer).
    """

    exit_code = 3

    def __init__(self, message: str, *, status: int | None = None, request_id: str | None = None, maybe_paid: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id
        self.maybe_paid = maybe_paid


class Transient(ModelError):  # noqa: N818 - reads as the verdict that it is
    """Worth asking again. `retry_after` is the provider's own wait in seconds, if it named one."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        status: int | None = None,
        request_id: str | None = None,
        maybe_paid: bool = False,
    ) -> None:
        super().__init__(message, status=status, request_id=request_id, maybe_paid=maybe_paid)
        self.retry_after = retry_after


class Rejected(ModelError):  # noqa: N818
    """The provider will not answer this request, however often it is asked (400, 413, an image it cannot take)."""


class Declined(Rejected):
    """The provider's moderation stopped this one prompt: its reply is a refusal, made by the provider's module."""


class RefusedParameter(Rejected):
    """The server does not know, or does not take, `parameter`: without it the request may pass."""

    def __init__(self, message: str, *, parameter: str, status: int | None = None, request_id: str | None = None) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.parameter = parameter


class Unusable(ModelError):  # noqa: N818
    """No request of this model can succeed (no or bad key, spend cap, unknown model): the run stops, resumable."""
