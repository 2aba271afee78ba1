"""Pieces of grammar: the patterns and the small functions by which a `Reader` takes a piece of text apart.

A letter is an answer only where it is set as one: alone, in brackets, before punctuation, after "option". The article "A" and the pronoun
"I" never are.
"""

from __future__ import annotations

import re

from bench.grader.structured import UNDECIDED

_LABEL = r"(?:option|choice|letter|answer|alternative|candidate|opción|opcion|lettre|letra|respuesta|réponse)s?"
JOINED = r"(?:or|and|because|since|as|but|not|is|was|which|with|for|rather|instead|over|nor|if|i\.e|that)\b"
# What may follow a letter for it to be a letter: nearly anything for B, only an end or a joining word for A and I, which are words.
_AFTER_WORD = rf"(?=\s*(?:$|[,;:!?)\]/\"'&=(]|\.(?![A-Za-z])|{JOINED}|-\s|[\u3040-\u9fff\uac00-\ud7af]))"
_AFTER_ANY = r"(?![A-Za-z0-9_'+#^°]|-\w|\.[A-Za-z])"
_CAPITAL = rf"(?:(?:[AI](?![A-Za-z0-9_'+#^°]|-\w){_AFTER_WORD})|(?:[B-HJ-Z]{_AFTER_ANY}))"
_SMALL = rf"[a-z](?![\w'+#^°]|-\w){_AFTER_WORD}"
PURE = re.compile(rf"(?:{_LABEL}\s*[:#]?\s*)?[(\[<\"']*([A-Za-z])[)\]>\"'.:]*", re.IGNORECASE)
LETTER_THEN = re.compile(
    rf"(?:{_LABEL}\s*[:#]?\s*)?[(\[\"']*([A-Za-z])[)\]\"']*(?:\s*[.:,)=-]+\s*|\s+(?=[(\[\"'])|\s+)"
    r"(?:(?:which is|i\.e\.,?|that is,?|namely|is)\s+)?(.+)",
    re.IGNORECASE,
)
TEXT_THEN = re.compile(rf"(.+?)\s*(?:[(\[]\s*(?:{_LABEL}\s*)?([A-Za-z])[)\]]|[,-]\s*{_LABEL}\s+([A-Za-z]))", re.IGNORECASE)
HEADED = re.compile(
    rf"(?:{_LABEL}\s*[:#]?\s*[(\[]?([A-Za-z])[)\]]?(?![\w'])|[(\[]?([A-Z])[)\].:](?![\w.])|[(\[]([a-z])[)\]])\s*(.*)", re.DOTALL
)
LETTERS = re.compile(
    rf"\b(?i:{_LABEL})\s*[:#]?\s*[(\[\"']?({_CAPITAL}|{_SMALL})|[(\[]([A-Za-z])[)\]]"
    rf"|(?:^[\s\"']*|\b(?i:or|and|but|not|nor|neither|either|leaving|is|be|than|of|out)\s+"
    rf"(?i:(?:maybe|perhaps|possibly|probably|even|also)\s+)?|[,/&:]\s*)({_CAPITAL})"
)
# "A or C", "A/C", "A, C": letters joined name several, whatever stands before the first. "B, A is too early" are two sentences.
_BRACKETED = r"[(\[\"']*([A-Z])[)\]\"']*"
_OWN_SENTENCE = r"\s*[(\[\"']*[A-Z][)\]\"']*\s+(?:is|was|would|will|can|cannot|has|does|shows)\b"
CHAINED = re.compile(
    rf"(?<![\w']){_BRACKETED}\.?(?:\s*(?:,(?!{_OWN_SENTENCE})\s*(?i:or\b|and\b)?|[/&|]|或|和|还是)|\s+(?i:or|and|oder|ou|und|et|y|vs)\b\.?)\s*"
    r"(?:(?i:maybe|perhaps|possibly|even|option|also)\s+)*(?=[(\[\"']*([A-Z])(?![\w']))"
)
POSITION = re.compile(
    r"\b(?:option|choice|number|no\.|#)\s*#?\s*(\d{1,2})\b|\b(first|second|third|fourth|last)\s+(?:option|choice|one)\b", re.IGNORECASE
)
ORDINALS = ("first", "second", "third", "fourth")
FILLER = re.compile(
    r"(?:(?:therefore|thus|so|hence|clearly|definitely|certainly|probably|likely|most likely|perhaps|maybe|possibly|indeed|simply|just|"
    r"actually|about|approximately|approx\.?|around|roughly|exactly|still|again|then|now|finally|i (?:think|believe|guess|would say)|"
    r"(?:la|le|el|die|der)(?=\s+(?:opción|opcion|option|lettre|letra|réponse|respuesta|antwort|[A-Z](?![\w'])))|that|"
    r"i'd say|it(?:'s| is| was| would be| should be| must be)|that(?:'s| is)|is|are|be|would be|should be|must be|the answer is|either)\b"
    r"[\s,:]*|[=:~≈>]\s*|-{1,2}>?\s+)+",
    re.IGNORECASE,
)
NEGATION = re.compile(
    r"(?:\b(?:not|never|(?:anything|everything|all|any|nothing) but|neither|nor|except(?: for)?|excluding|excludes?|without|unlike|"
    r"rather than|instead of|other than|over|under|between|up to|at (?:least|most)|"
    r"(?:more|less|fewer|greater|smaller|higher|lower|larger|earlier|later) than|"
    r"rul(?:e|es|ed|ing) out|eliminat(?:e|es|ed|ing)|discard(?:s|ed|ing)?|reject(?:s|ed|ing)?|no longer)|n't)\s+"
    rf"(?:(?:be|is|the|a|an|both|simply|just|either|{_LABEL})\s+)*[(\[\"']*$",
    re.IGNORECASE,
)
CHAIN = re.compile(rf"[\s)\]\"']*,?\s*(?:or|nor|and)\s+(?:{_LABEL}\s+)?[\s(\[\"']*", re.IGNORECASE)
_CLAUSE_END = re.compile(
    r"[.!?;](?=[\s\"')\]]|$)|\n|(?<!\d)\s-+\s|\s-+\s(?!\d)|,\s+as\b|,?(?:^|\s)\b(?:because|since|given|due to|where|while|whereas|so that|"
    r"so (?:it|the|we)|if|when|note that|although|though|however|based on|as (?:the|it|we|there|shown|this|that|required|expected))\b",
    re.IGNORECASE,
)
JOINS = re.compile(r"[,/&]|(?:or|and|maybe|perhaps|possibly)\b", re.IGNORECASE)
OTHERWISE = re.compile(r"\b(?:otherwise|or else|else|if not)\b[\s,:]*", re.IGNORECASE)
ALTERNATIVE = re.compile(r"\b(?:or|and|maybe|perhaps|possibly|not)\b|[,/&(]|^\s*$", re.IGNORECASE)
NO_UNIT = frozenset(
    {"not", "or", "and", "no", "plus", "minus", "times", "of", "is", "are", "but", "would", "should",
     "must", "will", "can", "could", "was", "has", "too", "seems", "looks", "fits", "works"}
)  # fmt: skip
NO_NAME = re.compile(r"\b(?:or|and|not)\b|[/,;:]|^(?:you|i|it|we|they|there|this|that)\b", re.IGNORECASE)
SECOND_THOUGHT = re.compile(r"[\s.,]*(?:no(?=\s*[,.:;!-]+\s*\w)|wait|actually|sorry|correction|oops|hmm+|scratch)\b", re.IGNORECASE)
TAIL_END = re.compile(r"\b(?:in total|in all|at least|altogether)$", re.IGNORECASE)
PREPOSITIONS = frozenset(
    {"on", "in", "of", "from", "for", "with", "by", "at", "to", "between", "into", "per", "through", "under", "over", "after", "before",
     "that", "who", "which", "where", "have", "can", "be", "as", "more", "look", "so", "each"}
)  # fmt: skip
NUMBERED = re.compile(
    r"\b(?:rows?|columns?|cols?|steps?|rods?|pegs?|poles?|towers?|tiles?|cells?|positions?|figures?|images?|queens?|jugs?|disks?|discs?|"
    r"levels?|parts?|cases?|days?|questions?|puzzles?|examples?|blocks?|regions?|lines?|rule|move|push)\s+#?$",
    re.IGNORECASE,
)
_SUM = re.compile(r"\d\s*(?:[+*/x%÷·]|-(?=\s*\d)|plus\b|minus\b|times\b|divided by\b|multiplied by\b)\s*\d", re.IGNORECASE)
_RESULT = re.compile(
    r"=|->|\b(?:which|that|this)\s+(?:is|equals|gives|makes|comes to)\b|\b(?:equals|giving|making|gives|makes)\b", re.IGNORECASE
)
OPERATOR = re.compile(r"^\s*(?:[+*/x^%÷·<>]|-(?=\s*\d)|plus\b|minus\b|times\b|divided\b|modulo\b)\s*", re.IGNORECASE)
ABSTAINS = re.compile(
    r"(?:none(?: of (?:the )?(?:above|these|them|options|given options|choices|listed options|provided options))?|neither(?: of .{0,30})?|"
    rf"all of (?:the )?(?:above|these|them)|both(?: of .{{0,30}})?|{UNDECIDED}|unknown|unclear|undetermined|n/?a|not sure|uncertain|"
    r"undefined|"
    r"(?:i )?(?:don't|do not|cannot|can't|can not|am unable to|am not able to|unable to) (?:know|tell|say|determine)\b.{0,80}|"
    r"i'm (?:unable|not able) to (?:know|tell|say|determine)\b.{0,80}|i'm not sure\b[^,;]{0,80}|"
    r"(?:it is |it's )?(?:impossible|not possible) to (?:know|tell|say|determine|answer)\b.{0,80}|"
    r"(?:it )?(?:cannot|can't|can not|could not) be (?:determined|known|answered|solved)\b.{0,80}|not (?:possible to )?determin\w+|"
    r"(?:not )?(?:enough|insufficient) information\b.{0,60}|no (?:answer|solution|option|correct option|correct answer)\b.{0,60})",
    re.IGNORECASE,
)
BEFORE_TERM = re.compile(r"(?:[+*/÷^]|(?:[\d)]|\d[a-z])\s+-|\d\s*x|\b(?:plus|minus|times|by))\s*$", re.IGNORECASE)
AFTER_TERM = re.compile(r"\s*(?:[+*/÷^]\s*[\w(]|x\s*\d|-\s+[\w(]*\d|(?:plus|minus|times|divided by|multiplied by)\b)", re.IGNORECASE)
WORDY = frozenset({"yes", "no", "none", "all", "one", "both", "true", "false"})
BEFORE_WORDY = re.compile(r"(?:^|[,.:;!?\"'(\[/-]|\b(?:is|be|was|or|and|say|so|thus|hence|therefore|but|not|than|of|a))\s*$", re.IGNORECASE)
AFTER_WORDY = re.compile(r"\s*(?:$|[,.:;!?\"'()\[\]/-]|(?:because|since|as|or|and|but|not|rather|it|you|there|we|they)\b)", re.IGNORECASE)


def clause(text: str) -> str:
    """`text` up to the end of its first sentence or to the reason that follows ("because", "since", a dash)."""
    found = _CLAUSE_END.search(text)
    return text[: found.start()] if found else text


def result_of(text: str) -> list[str]:
    """What follows each "=" of a sum, or "which is", the last first; nothing where there is no sum."""
    found = list(_RESULT.finditer(text)) if "=" in text or _SUM.search(text) else []
    ends = [*(match.start() for match in found[1:]), len(text)]
    return [text[match.end() : end].rstrip(" ,") for match, end in zip(found, ends, strict=False)][::-1][:4]


def unfinished(text: str) -> bool:
    """Whether `text` is a sum that states no result."""
    rest = result_of(text)
    return bool(_SUM.search(rest[0] if rest else text))


def trimmed(text: str) -> str:
    """`text` in one line without what surrounds an answer: quotes, brackets, final stops, leading "probably" or "it is"."""
    bare = " ".join(text.split())
    for _ in range(4):
        before = bare
        bare = bare.strip(" \t\"'|,;").rstrip(".!?:").lstrip(".:)]>")
        if bare[:1] + bare[-1:] in ("()", "[]", "<>"):
            bare = bare[1:-1]
        filler = FILLER.match(bare)
        if filler and filler.end() < len(bare):
            bare = bare[filler.end() :]
        if bare == before:
            break
    return bare
