"""Captions that give the answer away: a caption is to say what can be seen, not to solve the puzzle.

Two signs, both by the grader's own reading. *declared*: the caption states an answer as an answer ("the answer is 5", an answer tag, a box,
"option B is correct", a letter picked), right or wrong, since either way it has done the solver's work. *concluded*: a sentence that draws
a conclusion ("so at least 5 moves are needed") ends in the right answer, and that answer is none of the picture's visible facts. A number
that is merely mentioned, or a fact that can be seen (the time on a clock), is neither.
"""

from __future__ import annotations

import re
from typing import Literal

from bench.grader.cues import Cue, explicit
from bench.grader.reading import Reader
from bench.grader.text import ReplyText, reply_text, sentences_of
from bench.puzzle import Puzzle
from tasks.registry import family, known, same_for

Leak = Literal["declared", "concluded"]

_SUSPECT = re.compile(
    r"answer|\bbox|option|choose|chose|pick|select|going? with|opt for|choice|correct"
    r"|solution|solve|conclu|therefore|thus|hence|\bso\b|minimum|fewest|at least|must|need|requir|result"
    r"|would|takes?\b|\bin total\b|altogether",
    re.IGNORECASE,
)
"""What every leak contains: most captions hold none of it and are looked at no further."""
_ANSWERING = re.compile(r"answer|solution|option|choice|conclusion|correct", re.IGNORECASE)
_CONCLUDING = re.compile(
    r"\b(?:therefore|thus|hence|so|consequently|in conclusion|minimum|fewest|at least|must be|needed|required?|requires?|would be|will be"
    r"|takes?|altogether|in total|result(?:s|ing)?)\b",
    re.IGNORECASE,
)
_PICKING = re.compile(
    r"\b(?i:choose|chose|pick|select|going with|go with|opt for)\s+(?i:the\s+)?"
    r"(?i:option|answer|choice|letter)?\s*\(?([A-Z])\b(?!['\u2019])"
)
_LONE_LETTER = re.compile(r"[(*\s]*([A-Z])[).*\s]*")
_BOUND = re.compile(r"\bat (?:least|most)\s+", re.IGNORECASE)
_LONGEST = 400


def leak(text: str, puzzle: Puzzle) -> Leak | None:
    """How `text`, a caption of the puzzle's picture, gives the answer away; None where it does not. Never raises."""
    if not (_SUSPECT.search(text) or _LONE_LETTER.fullmatch(_last_line(text))):
        return None
    reader = Reader(puzzle.options, puzzle.answer, same_for(puzzle.family))
    reply = reply_text(text, puzzle.options)
    if _picks(reader, reply) or any(_declares(reader, reply, cue) for cue in explicit(reply)):
        return "declared"
    return "concluded" if _concludes(reader, reply, puzzle) else None


def _picks(reader: Reader, reply: ReplyText) -> bool:
    """Whether the caption picks an option by its letter, in words or as its whole last line."""
    alone = _LONE_LETTER.fullmatch(_last_line(reply.text))
    letters = [*_PICKING.findall(reply.plain), *([alone[1]] if alone else [])]
    return any(letter in reader.letters for letter in letters)


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]


def _declares(reader: Reader, reply: ReplyText, cue: Cue) -> bool:
    """Whether an explicit place names an answer, and does so as an answer ("the box is right of the wall" does not)."""
    if cue.how in ("answer-tag", "unclosed-tag", "boxed"):
        said = reader.whole(cue.content) or reader.stated(cue.content)
    elif cue.how == "answer-is" and _ANSWERING.search(reply.plain[cue.start : cue.end]):
        said = reader.stated(cue.content)
    else:
        return False
    return said.answer is not None


def _concludes(reader: Reader, reply: ReplyText, puzzle: Puzzle) -> bool:
    if _visible(puzzle):
        return False
    return any(
        len(sentence) <= _LONGEST and _CONCLUDING.search(sentence) and _ends_in(reader, sentence, puzzle.answer)
        for line in reply.plain.split("\n")
        for sentence in sentences_of(line)
    )


def _ends_in(reader: Reader, sentence: str, gold: str) -> bool:
    """Whether the one answer text that a sentence mentions is the right one; a letter in a description may be anything."""
    stated = _BOUND.sub("", sentence)  # "at least 5" names 5 as the least number, which is what such puzzles ask for
    answers = {mention.answer for mention in reader.mentions(stated) if not mention.letter}
    return len(answers) == 1 and reader.same(answers.pop() or "", gold)


def _visible(puzzle: Puzzle) -> bool:
    """Whether the right answer is itself a fact that the picture shows: then a caption may say it."""
    if not known(puzzle.family) or puzzle.state is None:
        return puzzle.description is not None and puzzle.answer.casefold() in puzzle.description.casefold()
    made = family(puzzle.family)
    facts = made.facts(made.load(puzzle.state))
    description = puzzle.description or ""
    return any(made.same(value, puzzle.answer) for value in facts.values()) or made.same(description.rpartition(": ")[2], puzzle.answer)
