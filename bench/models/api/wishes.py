"""What a person asked for, held against what a generation of models takes.

A default (`None`) that a model has no use for is left out silently; an explicit wish that it would refuse is a `UserError` before anything
is sent. Both API providers use these two functions, and only they decide what "off", a level or a temperature means for a generation.
"""

from __future__ import annotations

from bench.errors import UserError
from bench.models.aliases import Generation
from bench.models.base import DEFAULT_MAX_TOKENS, LEVELS, Sampling

DEFAULT_TEMPERATURE = 1.0
"""What both APIs sample at where nothing is sent: asking for it is granted by sending nothing, also where a temperature is refused."""

REASONING_ROOM = 16_384
"""Tokens that a reply may hold beside the answer, where a model reasons and the person set no bound: hidden reasoning counts against it."""

BUDGETS = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16_384, "xhigh": 24_576, "max": 32_768}
"""Tokens of thinking for a level, on generations that take a budget: the documented minimum of Claude's, its fourfold and so on."""


def room(generation: Generation, sampling: Sampling) -> int:
    """Most tokens that a reply may have, reasoning included: what the person asked for, or enough for an answer after reasoning."""
    if sampling.max_tokens is not None:
        return sampling.max_tokens
    wish = sampling.reasoning
    if not reasons(generation, sampling):
        return DEFAULT_MAX_TOKENS
    if isinstance(wish, int):
        return DEFAULT_MAX_TOKENS + wish
    return DEFAULT_MAX_TOKENS + max(REASONING_ROOM, BUDGETS.get(wish or "", 0))


def reasons(generation: Generation, sampling: Sampling) -> bool:
    """Whether the model reasons before it answers, as far as is known."""
    return generation.reasons_by_default if sampling.reasoning is None else sampling.reasoning != "off"


def reasoning(name: str, generation: Generation, sampling: Sampling, *, budgets: bool = False) -> str | int | None:
    """The reasoning to ask for: None (send nothing), "off", a level of `LEVELS`, or a budget in tokens.

    A budget is taken where the generation does, or where the server does for all its models (`budgets`). "off" comes back only where
    something must be sent to switch reasoning off.

    Raises:
        UserError: the generation cannot do what was asked, or the wish is none of off, a level and a positive number.
    """
    levels = generation.levels
    wish = sampling.reasoning
    if wish is None:
        return None
    if wish == "off":
        if generation.off == "refused":
            raise UserError(f"{name} always reasons: --reasoning off is not possible, use one of {', '.join(levels)}")
        return None if generation.off == "omit" else "off"
    if isinstance(wish, int):
        if wish < 1:
            raise UserError(f"--reasoning: expected off, {', '.join(LEVELS)} or a positive number of tokens, found {wish!r}")
    elif wish not in LEVELS:
        raise UserError(f"--reasoning: expected off, {', '.join(LEVELS)} or a number of tokens, found {wish!r}")
    if generation.reasoning == "none":
        raise UserError(f"{name} has no reasoning to set: leave --reasoning out, found {wish!r}")
    if isinstance(wish, int) and not (budgets or generation.budgets):
        raise UserError(f"{name} takes a level of reasoning ({', '.join(levels)}), not a budget in tokens, found {wish}")
    if isinstance(wish, str) and wish not in levels:
        raise UserError(f"{name} takes reasoning at {', '.join(levels)}, found {wish!r}")
    return wish


def temperature(name: str, generation: Generation, sampling: Sampling, *, highest: float) -> float | None:
    """The temperature to send, or None to send none. `highest` is the largest one that the API takes.

    Raises:
        UserError: the model would refuse the temperature asked for, with the reasoning asked for.
    """
    wish = sampling.temperature
    if wish is None:
        return None
    if not 0.0 <= wish <= highest:
        raise UserError(f"{name}: expected a temperature between 0 and {highest:g}, found {wish}")
    if generation.temperature == "always":
        return wish
    if generation.temperature == "without-reasoning" and not reasons(generation, sampling):
        return wish
    if wish == DEFAULT_TEMPERATURE:
        return None
    when = "" if generation.temperature == "never" else " while it reasons"
    raise UserError(f"{name} takes no temperature{when}: leave --temperature out, found {wish} (use --replicates for repeatability)")
