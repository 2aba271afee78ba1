"""What a short piece of text says about the answer: one option, several, none, something else of the same kind, or nothing readable.

A `Reader` knows one question: the options in the order shown (multiple choice) or only the right answer (open questions), the family's
`same`, and of what *kind* the answers are (numbers, times, days, colours, sizes, shapes, yes/no). The kind says what may count as an answer
at all: where the options are 3, 5, 10 and 15, "17" is a clear and wrong answer, "blue" is unreadable.

A letter is an answer only where it is set as one: alone, in brackets, before punctuation, after "option". The article "A" and the pronoun
"I" never are. What is negated ("not B", "rather than B") is not said.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from bench.grader.grammar import (
    ABSTAINS,
    AFTER_TERM,
    AFTER_WORDY,
    ALTERNATIVE,
    BEFORE_TERM,
    BEFORE_WORDY,
    CHAIN,
    CHAINED,
    FILLER,
    HEADED,
    JOINED,
    JOINS,
    LETTER_THEN,
    LETTERS,
    NEGATION,
    NO_NAME,
    NO_UNIT,
    NUMBERED,
    OPERATOR,
    ORDINALS,
    OTHERWISE,
    POSITION,
    PREPOSITIONS,
    PURE,
    SECOND_THOUGHT,
    TAIL_END,
    TEXT_THEN,
    WORDY,
    clause,
    result_of,
    trimmed,
)
from bench.grader.kinds import KINDS, WHOLE, kind_of, possibility, standard

Same = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Said:
    """What a piece of text says.

    Attributes:
        answer: the option meant, or the answer stated where it is none of the options; None where `why` tells what is wrong.
        why: "" for an answer, else "several", "conflict", "none-of-these", "no-such-option", "retracted", "refusal" or "unreadable".
        letter: whether a letter named it.
    """

    answer: str | None
    why: str = ""
    letter: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What was read, and the rule that read it."""

    said: Said
    how: str


UNREADABLE = Said(None, "unreadable")
SEVERAL = Said(None, "several")
CONFLICT = Said(None, "conflict")
NONE_OF_THESE = Said(None, "none-of-these")
NO_SUCH_OPTION = Said(None, "no-such-option")


@dataclass(frozen=True, slots=True)
class Mention:
    """A letter or an answer text inside a clause; `answer` is None for a letter beyond the options."""

    start: int
    end: int
    answer: str | None
    letter: bool


class Reader:
    """Reads answers to one question.

    Args:
        options: in the order shown; empty for an open question.
        gold: the right answer. Of an open question it says what kind of answer to look for; the comparison with it is the grader's.
        same: the family's answer equivalence.
        names: the words that open answers are taken from, where the family has such a list.
        inferred: whether the answer has to be worked out, so that a mere statement of what the picture shows is none.
    """

    def __init__(self, options: Sequence[str], gold: str, same: Same, *, names: Sequence[str] = (), inferred: bool = False) -> None:
        self.options = tuple(options)
        self.letters = ascii_uppercase[: len(self.options)]
        self.gold = gold
        self.same = same
        self.inferred = inferred
        self.kind = kind_of(self.options or (gold,))
        self.names = () if self.options or self.kind else tuple(dict.fromkeys((*names, gold))) if names else ()
        patterns = [KINDS[self.kind]] if self.kind else []
        listed = self.options or self.names
        if listed and self.kind not in ("number", "time", "yes-no"):
            words = "|".join(re.escape(" ".join(word.split())).replace(r"\ ", r"\s+") for word in sorted(listed, key=len, reverse=True))
            patterns.append(rf"(?<![\w-])(?:{words})(?![\w-])")
        self._tokens = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    # -- one whole answer ----------------------------------------------------------------------------------------------------------------
    def whole(self, text: str) -> Said | None:
        """What `text` says if all of it is an answer ("B", "(b)", "B. 4:23", "4:23", "12 minutes"), else None."""
        if len(text) > 300:
            return None
        bare = trimmed(text)
        if not bare or len(bare) > 120:
            return None
        return self._letter(bare) or self._text(bare) or self._position(bare) or self._glued(bare) or self._paired(bare) or self._off(bare)

    def _letter(self, bare: str) -> Said | None:
        pure = PURE.fullmatch(bare) if self.letters else None
        return self._named(pure[1]) if pure else None

    def _glued(self, bare: str) -> Said | None:
        """A letter with the text of an option and nothing between them: "D5"."""
        named = self._named(bare[0]) if self.letters and "A" <= bare[0] <= "Z" and not bare[1:2].islower() else None
        stated = self._text(bare[1:].strip()) if named and named.answer and bare[1:].strip() and not bare[1].isspace() else None
        if named is None or named.answer is None or stated is None or stated.answer is None:
            return None
        return named if self.same(stated.answer, named.answer) else CONFLICT

    def _named(self, letter: str) -> Said | None:
        index = self.letters.find(letter.upper())
        if index >= 0:
            return Said(self.options[index], letter=True)
        return None if letter in "Ii" or letter.islower() else NO_SUCH_OPTION

    def _text(self, bare: str) -> Said | None:
        """`bare` as the text of an answer: an option, or what the gold answer of an open question is; units may follow a number."""
        for candidate in (bare, self._without_unit(bare)):
            listed = self._listed(candidate) if candidate else None
            if listed is not None:
                return Said(listed)
        return None

    def _listed(self, text: str) -> str | None:
        answers = self.options or self.names or (self.gold,)
        spelled = self._spelled(text)
        exact = next((answer for answer in answers if self._spelled(answer) == spelled), None)
        singular = text[:-1] if self.kind in ("shape", "day") and spelled.endswith("s") else text
        return exact if exact is not None else next((answer for answer in answers if self.same(singular, answer)), None)

    def _spelled(self, text: str) -> str:
        """`text` without what makes no difference of spelling: case, and the gap in "light blue"."""
        return re.sub(r"[ -]", "", text.casefold()) if self.kind in ("colour", "size") else text.casefold()

    def _without_unit(self, bare: str) -> str | None:
        """The number of "12 minutes", or the time of "4:23 in the afternoon": at the head, with nothing behind it but a few words."""
        token = self._tokens.match(bare) if self._tokens is not None and self.kind in ("number", "time") else None
        if token is None:
            return None
        words = bare[token.end() :].lstrip("%° ").split()
        plain = len(words) <= 5 and all(re.fullmatch(r"[^\W\d]+", word) for word in words) and (not words or bare[token.end()] in " %°")
        barred = NO_UNIT if self.kind == "time" or TAIL_END.search(bare) else NO_UNIT | PREPOSITIONS
        return standard(token[0]) if plain and not barred & {word.lower() for word in words} else None

    def _off(self, bare: str) -> Said | None:
        """An answer of the right kind that is no option; of an open question any answer of its kind, or a few words where it has none."""
        if ABSTAINS.fullmatch(bare):
            return NONE_OF_THESE
        if self.kind == "yes-no" and (stated := possibility(bare)) is not None:
            return Said(self._listed(stated) or stated)
        if self.kind and self._tokens:
            stated = self._without_unit(bare) or bare
            return Said(standard(stated)) if WHOLE[self.kind].fullmatch(stated) else None
        if self.names and self._tokens and not re.search(r"\w", self._tokens.sub("", bare)):
            return SEVERAL  # names and nothing else
        short = not self.options and len(bare.split()) <= 4 and not NO_NAME.search(bare)
        return Said(bare) if short else None

    def _position(self, bare: str) -> Said | None:
        """Reads "option 2" (the text 2 or the second one?) only where both are the same; "the second option" is plain."""
        found = POSITION.fullmatch(bare.removeprefix("the ")) if self.options else None
        if not found:
            return None
        if found[2]:
            word = found[2].lower()
            index = len(self.options) - 1 if word == "last" else ORDINALS.index(word)
            return Said(self.options[index]) if index < len(self.options) else NO_SUCH_OPTION
        index, listed = int(found[1]) - 1, self._listed(found[1])
        at_place = self.options[index] if 0 <= index < len(self.options) else None
        if listed is None or at_place is None:
            return Said(listed) if listed else UNREADABLE
        return Said(listed) if self.same(listed, at_place) else CONFLICT

    def _paired(self, bare: str) -> Said | None:
        """A letter with the text of an option, in either order."""
        return (self._letter_and_text(bare) or self._text_and_letter(bare)) if self.letters else None

    def _text_and_letter(self, bare: str) -> Said | None:
        parts = TEXT_THEN.fullmatch(bare)
        named = self._named(parts[2] or parts[3]) if parts else None
        stated = self._text(trimmed(parts[1])) if parts else None
        if named is None or named.answer is None or stated is None or stated.answer is None:
            return None
        return named if self.same(stated.answer, named.answer) else CONFLICT

    def _letter_and_text(self, bare: str) -> Said | None:
        parts = LETTER_THEN.fullmatch(bare)
        if not parts:
            return None
        named, rest = self._named(parts[1]), trimmed(parts[2])
        if parts[1] in "Aa" and bare[parts.end(1)].isspace() and rest[:1].isalpha() and len(rest) > 1:
            return None  # an article
        if named is None or named.answer is None or SECOND_THOUGHT.match(parts[2]):
            return None
        exact = next((option for option in self.options if option.casefold() == rest.casefold()), None)
        second = self._letter(rest) if exact is None else None
        if second is not None:
            return named if second == named else SEVERAL
        stated = Said(exact) if exact is not None else self._text(rest) or self._off(rest)
        if stated is None:
            return None
        return named if stated.answer is not None and self.same(stated.answer, named.answer) else CONFLICT

    # -- an answer at the head of a text -------------------------------------------------------------------------------------------------
    def stated(self, content: str, *, committed: bool = False) -> Said:
        """What the text after a cue ("the answer is ...") says: its first line or clause if that is an answer, else its one mention.

        Args:
            content: the text.
            committed: whether it stands where nothing but an answer belongs, so that none of its numbers is in passing.
        """
        line = next((line for line in content[:2_000].split("\n") if line.strip()), "").strip()[:400]
        head = self._with_text_beside(line, clause(line))
        if (other := OTHERWISE.search(line)) and (second := self.mentioned(line[other.end() :])).answer is not None:
            first = self.mentioned(line[: other.start()])
            if first.answer is not None and not self.same(first.answer, second.answer):
                return SEVERAL  # "4:23 if the short hand is past 4, otherwise 5:23"
        if (chain := CHAINED.match(line)) and None not in (a := self._named(chain[1]), b := self._named(chain[2])) and a != b:
            return SEVERAL
        for piece in (line, head, *result_of(head)):
            said = self.whole(piece)
            if said is not None:
                return said
        return self.headed(line) or self.mentioned(head, committed=committed)

    def _with_text_beside(self, line: str, head: str) -> str:
        """`head`, the first clause of `line`; where it ends in a letter, with the answer text after the letter's stop."""
        if not self.letters or not re.search(r"(?:^|[\s(])[A-Z]$", head) or line[len(head) : len(head) + 1] != ".":
            return head
        beside = clause(line[len(head) + 1 :].strip())
        return f"{head}. {beside}" if beside and self._text(trimmed(beside)) else head

    def headed(self, line: str) -> Said | None:
        """A letter set as an answer before an explanation ("B) The hands ...", "Option C, since ..."); None where there is none.

        Where the first clause of the explanation is itself an answer, it has to be the same one.
        """
        match = HEADED.match(line.lstrip(" \"'")) if self.letters else None
        if not match:
            return None
        named = self._named(match[1] or match[2] or match[3])
        if (
            named is None
            or named.answer is None
            or (match[1] and match[1].upper() in "AI" and not re.match(rf"$|[.,;:)\]-]|{JOINED}", match[4]))
        ):
            return named if named is NO_SUCH_OPTION else None
        rest = trimmed(clause(match[4]))
        second = self._letter(rest) if rest else None
        if second is not None or JOINS.match(match[4]):
            return named if second == named else None
        if any(mention.letter and mention.answer != named.answer for mention in self.mentions(rest)):
            return SEVERAL
        stated = self._text(rest) or self._off(rest) if rest else None
        return CONFLICT if stated and stated.answer and not self.same(stated.answer, named.answer) else named

    def amount(self, text: str) -> Said | None:
        """The number that `text` begins with, where it counts something and no other number follows: "3 jumps to reach the end"."""
        token = self._tokens.match(text.lstrip()) if self.kind == "number" and self._tokens else None
        if token is None or "," in text or not re.match(r"\s+[^\W\d]", text.lstrip()[token.end() :]):
            return None
        answers = {mention.answer for mention in self.mentions(text)}
        return self._text(token[0]) or Said(standard(token[0])) if len(answers) == 1 else None

    # -- mentions ------------------------------------------------------------------------------------------------------------------------
    def mentioned(self, text: str, *, committed: bool = False) -> Said:
        """What the mentions in a clause say together: an answer at the head counts alone unless an alternative is joined to it."""
        text = text.strip()[:400]
        mentions = self.mentions(text)
        if not mentions:
            return NONE_OF_THESE if ABSTAINS.fullmatch(trimmed(text)) else UNREADABLE
        filler = FILLER.match(text)
        at_head = mentions[0].start <= (filler.end() if filler else 0) + 4
        if at_head and not mentions[0].letter and OPERATOR.match(text[mentions[0].end :]):
            return UNREADABLE  # the start of a sum, not its result
        if not self.options and not committed and not at_head and not self.ends_in(text, mentions[-1]):
            return UNREADABLE  # a number in passing
        counted = mentions[:1]
        for before, after in itertools.pairwise(mentions):
            if at_head and not (before.letter or after.letter or ALTERNATIVE.search(text[before.end : after.start][:40])):
                break
            counted.append(after)
        return self.together(counted)

    def ends_in(self, text: str, mention: Mention) -> bool:
        """Whether nothing but a unit follows `mention` in `text`."""
        tail = text[mention.end :].strip(" .!,;:\"')]%°")
        words = tail.split()
        return not words or bool(TAIL_END.search(tail)) or (len(words) <= 2 and not (NO_UNIT | PREPOSITIONS) & {w.lower() for w in words})

    def together(self, mentions: Sequence[Mention]) -> Said:
        """What several mentions say: one answer, a letter at odds with a text, or several answers."""
        answers = list(dict.fromkeys(mention.answer for mention in mentions))
        distinct = [a for i, a in enumerate(answers) if not any(a is not None and b is not None and self.same(a, b) for b in answers[:i])]
        if len(distinct) == 1:
            return Said(distinct[0], letter=any(m.letter for m in mentions)) if distinct[0] is not None else NO_SUCH_OPTION
        letters = {mention.answer for mention in mentions if mention.letter}
        return CONFLICT if len(distinct) == 2 and len(letters) == 1 and not all(m.letter for m in mentions) else SEVERAL

    def mentions(self, text: str) -> list[Mention]:
        """The letters and answer texts that `text` mentions and does not negate, in order."""
        found = sorted((*self._letter_mentions(text), *self._text_mentions(text)), key=lambda mention: mention.start)
        kept: list[Mention] = []
        negated, end, last = False, -1, None
        for mention in found:
            if mention.start < end:
                continue
            gap = text[end : mention.start] if end >= 0 else None
            repeats = gap is not None and mention.answer == last and not gap.strip(" .,:;()[]\"'=-")  # "(B) 8:09"
            joined = gap is not None and CHAIN.fullmatch(gap) is not None
            negated = bool(NEGATION.search(text[max(0, mention.start - 40) : mention.start])) or (negated and (repeats or joined))
            end, last = mention.end, mention.answer
            if not negated:
                kept.append(mention)
        return kept

    def _letter_mentions(self, text: str) -> Iterator[Mention]:
        if not self.letters:
            return
        for match in LETTERS.finditer(text):
            group = next(index for index in (1, 2, 3) if match[index])
            named = self._named(match[group])
            if named is not None:
                yield Mention(match.start(group), match.end(), named.answer, letter=True)
        for match in CHAINED.finditer(text):
            for group in (1, 2):
                named = self._named(match[group])
                if named is not None and named.answer is not None:
                    yield Mention(match.start(group), match.end(group), named.answer, letter=True)

    def _text_mentions(self, text: str) -> Iterator[Mention]:
        if self._tokens is None:
            return
        for match in self._tokens.finditer(text):
            before, after = text[max(0, match.start() - 20) : match.start()], text[match.end() : match.end() + 20]
            if match[0].lower() in WORDY and not (BEFORE_WORDY.search(before) and AFTER_WORDY.match(after)):
                continue  # "no" in "there is no way", "one" in "one of them"
            if self.kind == "number" and (BEFORE_TERM.search(before) or AFTER_TERM.match(after) or NUMBERED.search(before)):
                continue  # a term of a sum, the size of a board, the number of a row
            plain = standard(match[0])
            listed = self._listed(match[0]) or self._listed(plain)
            yield Mention(match.start(), match.end(), listed if listed is not None else plain, letter=False)
