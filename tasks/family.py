"""The Family contract: everything there is to know about one kind of puzzle.

A family owns a frozen `State` dataclass: the *visible* fields (what the image carries) and one field `query` (what is asked, as a frozen
dataclass of its own, or None where the family has one fixed question). Around it stand

    sample(rng, level) -> State      draw(state) -> image       ask(state) -> question       solve(state) -> answer
    describe(state) -> text          read(text) -> State        facts(state) -> what is visible      distractors(state) -> wrong answers

`read` is the inverse of `describe` on the visible part: `read(describe(s)) == visible(s)`, the state with `query=None`. A question is never
in the description, so whoever solves from text puts the query back: `solve(asking(read(text), s.query))`.

`read` is total: it returns a `ReadError` for anything it cannot understand and never raises. A family writes `parse`, which raises
`Unreadable`, and `check`, which raises `ValueError`; the base class turns both into values.
"""

from __future__ import annotations

import dataclasses
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from PIL import Image

from tasks.kit.notation import Unreadable, same_answer, tidy

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LEVELS: tuple[int, ...] = (1, 2, 3, 4, 5)
SIDE = 896
"""Longer side of a generated image in pixels, unless asked otherwise: a multiple of 28 below every provider's downscaling bound."""


class HasQuery(Protocol):
    """What every State dataclass has: `query` is None in a state that was read from text."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def query(self) -> Any: ...


S = TypeVar("S", bound=HasQuery)
Q = TypeVar("Q")


def asked(query: Q | None) -> Q:
    """The query of a state that has one.

    Raises:
        ValueError: the state was read from text, and nobody put the puzzle's query back.
    """
    if query is None:
        raise ValueError("query: the state holds none; put the puzzle's own back with `asking`")
    return query


@dataclass(frozen=True, slots=True)
class ReadError:
    """Why a text is not a description: the field that is missing or wrong, and what is wrong with it."""

    field: str
    problem: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class Family(ABC, Generic[S]):
    """One kind of puzzle. Subclasses set the class attributes and write the abstract methods; they hold no state of their own.

    Attributes:
        name: registry name, as in the public set ("clock").
        title: a few words for tables ("analog clock").
        state_type: the frozen State dataclass.
        names: the words that answers are taken from, where answers are names of things; they tell an answer from a word in passing.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    names: ClassVar[tuple[str, ...]] = ()
    state_type: type[S]

    # -- making ------------------------------------------------------------------------------------------------------------------------
    @abstractmethod
    def sample(self, rng: random.Random, level: int) -> S:
        """A random state of difficulty `level` (1-5) with exactly one answer. Uses `rng` only, so a seed fixes the state."""

    @abstractmethod
    def check(self, state: S) -> None:
        """Raise `ValueError` ("field: what is wrong") if the visible part is impossible; with a query, also if the answer is not unique."""

    @abstractmethod
    def paint(self, state: S, side: int) -> Image.Image:
        """Draw a checked state as an RGB image with longer side `side` px."""

    def draw(self, state: S, side: int = SIDE) -> Image.Image:
        """Draw `state` as an RGB image with longer side `side` px.

        Raises:
            ValueError: the state cannot be drawn or has no unique answer; the message starts with the field's name.
        """
        self.check(state)
        return self.paint(state, side)

    # -- asking and answering ----------------------------------------------------------------------------------------------------------
    @abstractmethod
    def ask(self, state: S) -> str:
        """The question: rules and what is asked, without repeating what the image carries. Needs `state.query` where the family has one."""

    @abstractmethod
    def solve(self, state: S) -> str:
        """The right answer, exact (search or counting), from the visible fields and the query."""

    @abstractmethod
    def distractors(self, state: S) -> Sequence[str]:
        """Wrong answers, most tempting first: at least three, distinct and wrong under `same` (one for yes/no questions).

        Deterministic. A suite draws the options from the first six or so, so that the right answer is not given away by its size.
        """

    def same(self, a: str, b: str) -> bool:
        """Whether two answers mean the same. By default: equal after folding case, spacing, articles, number words and units."""
        return same_answer(a, b)

    # -- describing and reading --------------------------------------------------------------------------------------------------------
    @abstractmethod
    def describe(self, state: S) -> str:
        """The visible part as text, in the family's notation. Never contains the query or the answer."""

    @abstractmethod
    def parse(self, text: str) -> S:
        """The visible state that `text` (already tidied: see `tasks.kit.notation.tidy`) describes, with `query=None`.

        Tolerant of case, spacing, order and surrounding prose; linear in the length of the text.

        Raises:
            Unreadable: with the field that is missing or wrong.
        """

    def read(self, text: str) -> S | ReadError:
        """The inverse of `describe`, tolerant; never raises. The state returned is checked and has `query=None`."""
        try:
            state = self.parse(tidy(text))
            self.check(state)
        except Unreadable as error:
            return ReadError(error.field, error.problem)
        except ValueError as error:
            field, _, problem = str(error).partition(": ")
            return ReadError(field, problem or field)
        return state

    @abstractmethod
    def facts(self, state: S) -> Mapping[str, str]:
        """The atomic visible facts: slot -> value, e.g. {"row 1, column 2": "rotten kiwi"}. Every slot is one thing to be seen."""

    def claims(self, text: str) -> Mapping[str, str]:
        """The facts that a free text states, in the slots of `facts`, right or not; empty where nothing can be read. Never raises.

        The default reads the whole text or nothing. Families whose descriptions come in parts read every part they can.
        """
        state = self.read(text)
        return {} if isinstance(state, ReadError) else self.facts(state)

    # -- public rows -------------------------------------------------------------------------------------------------------------------
    def from_public(self, row: Mapping[str, Any]) -> S:
        """The state (query included) of a row of the public set, from its `solution` and `question`. Families of no public set lack it.

        Raises:
            KeyError, ValueError: the row lacks a field or contradicts itself; the message names the field.
        """
        raise ValueError(f"family: {self.name} has no rows in a public set")

    # -- plain helpers -----------------------------------------------------------------------------------------------------------------
    def visible(self, state: S) -> S:
        """`state` without its query: what an image shows and a description carries."""
        return dataclasses.replace(state, query=None)

    def asking(self, state: S, query: Any) -> S:
        """`state` (as read from text) with the query of the puzzle put back, ready for `solve`."""
        return dataclasses.replace(state, query=query)

    @cached_property
    def _adapter(self) -> TypeAdapter[S]:
        from pydantic import TypeAdapter

        return TypeAdapter(self.state_type)

    def dump(self, state: S) -> dict[str, Any]:
        """`state` as plain JSON data."""
        return self._adapter.dump_python(state, mode="json")

    def load(self, data: Mapping[str, Any]) -> S:
        """The inverse of `dump`.

        Raises:
            ValueError: a field is missing or of another type; the message names it.
        """
        from pydantic import ValidationError

        try:
            return self._adapter.validate_python(dict(data))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "state"
            raise ValueError(f"{field}: {first['msg']}") from error
