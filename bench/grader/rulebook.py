"""What each `how` of a verdict means, in words: for `regrade`, for the docs, and for whoever reads a record."""

from __future__ import annotations

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    "answer-tag": "an answer tag, opened and closed",
    "unclosed-tag": "an answer tag that lacks its end or its beginning",
    "boxed": r"\boxed{...}",
    "json": "the value under an answer key of a JSON object",
    "answer-is": '"the answer is ...", "Answer: ...", "... is correct", in several languages',
    "retraction": 'an answer that takes back an earlier one ("no, wait, C")',
    "last-line": "a last line that is nothing but an answer",
    "leading": "a reply that begins with its answer and goes on to explain it",
    "bold": "bold type in the last paragraph that no conclusion follows",
    "final-sentence": "a last sentence that ends in an answer, remarks on the picture left out",
    "mention": "the last sentence mentions one option (of an open question: at its end) and denies nothing",
    "thoughts": "lenient reading only: nothing was written but thoughts, and these state an answer",
    "readback": "the description was read, and the exact solver answered",
    "several": "several different answers, and nothing decides between them",
    "conflict": "a letter with another option's text",
    "none-of-these": '"none of the above", "undecided", a weight for every option',
    "no-such-option": "a letter that no option has",
    "retracted": "an answer that was taken back, and no other given",
    "no-tag": "strict reading only: no closed answer tag",
    "nothing-found": "nothing that stands as an answer",
    "empty": "nothing was written",
    "echo": "nothing but a copy of the prompt",
    "thoughts-only": "nothing was written but thoughts",
    "refusal": "the reply only declines, or the provider says that the model refused",
    "truncated": "cut off at the token limit before a complete answer tag",
    "caption": "the captioner wrote nothing that could be shown",
    "error": "the request failed",
}
"""Rule -> what it reads, or why nothing could be read."""


def explained(how: str) -> str:
    """What `how` means; a readback's own error is its own explanation."""
    return RULES.get(how, how)
