"""The reply proper: without the special tokens of chat templates, without the turns after it, without what was thought before it.

Every family of models has marks of its own for a thought; all are read as `<think>` here. Where a server leaves special tokens in the text,
a reply ends with its turn: what a model then writes in the user's name, and its answer to that, belong to nobody.
"""

from __future__ import annotations

import re

_THOUGHT = re.compile(
    r"<(/?)(?=[trsavqid])(think|thinking|thoughts?|reasoning|rethink|reflection|scratchpad|analysis|visual|question|"
    r"(?:image[ _-]?)?description)\s*>",
    re.IGNORECASE,
)
_REASONS = ("think", "thought", "reason", "rethink", "reflection", "scratchpad", "analysis")  # the others repeat what was shown
_FINAL_TAG = re.compile(r"<answer>[^<>]{0,400}</answer>[\s`*.]*\Z", re.IGNORECASE)

# Mistral; Kimi; Seed and others with a name space; Sky-T1 and Bespoke; Cohere; MedGemma.
_OTHER_MARKS = re.compile(
    r"\[(?P<m>/?)THINK\]|\u25c1(?P<k>/?)think\u25b7|<(?P<s>/?)\w{1,20}:think(?:ing)?>|<\|(?P<b>begin|end)_of_thought\|>"
    r"|<\|(?P<c>START|END)_THINKING\|>|<unused9(?P<g>[45])>(?:thought\b)?"
)
_CLOSES = ("/", "end", "END", "5")
# OpenAI's harmony: `<|channel|>analysis<|message|>...<|end|>`, and the same where the server dropped the tokens but not the names.
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+).{0,80}?<\|message\|>", re.DOTALL)
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
_BARE_CHANNELS = re.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?=[A-Z0-9\"'(*]|.*assistantfinal)", re.DOTALL)
_BARE_FINAL = "assistantfinal"

_TURN_BEGINS = re.compile(
    r"\s*(?:\[INST\].{0,20000}?\[/INST\]|<\|(?:im_start|start)\|>\s*assistant\b|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>|"
    r"<start_of_turn>\s*model\b|<\|assistant\|>|<\|(?:begin_of_text|startoftext)\|>|<(?:s|bos)>)",
    re.DOTALL,
)
_TURN_ENDS = re.compile(
    r"<[|\uff5c](?:im_end|im_start|eot_id|eot|eom_id|end|endoftext|end_of_text|end[_\u2581]of[_\u2581]sentence|return|user|User|"
    r"observation|start_header_id|END_OF_TURN_TOKEN)[|\uff5c]>|<end_of_turn>|<start_of_turn>|<eos>|</s>|\[INST\]"
)
_SPECIAL = re.compile(r"<[|\uff5c][^<>|\uff5c\n]{1,40}[|\uff5c]>|<(?:pad|bos|unk|eos)>|\[/INST\]")

_LEADING_TOKENS = re.compile(rf"(?:\s*(?:{_SPECIAL.pattern}|{_TURN_ENDS.pattern}))+\s*")
_MARKED = re.compile(r"<(?!/?answer>)|\[|\u25c1")
"""With what every mark above begins; most replies hold none but answer tags, and are what they are."""


def split_thoughts(raw: str) -> tuple[str, str]:
    """The reply in `raw` without special tokens and thoughts, and what the thoughts say.

    A closing mark without its opening one closes what the chat template opened. A thought that is never closed runs to the end of the text,
    or to the answer tag that ends it.
    """
    text, thoughts = _channels(raw)
    if _MARKED.search(text):
        said, inner = _outside(_OTHER_MARKS.sub(_as_think, _first_turn(text)))
        text, thoughts = _SPECIAL.sub(" ", said), "\n".join(filter(None, (thoughts, _SPECIAL.sub(" ", inner))))
    return text, thoughts


def _as_think(mark: re.Match[str]) -> str:
    return "</think>" if any(part in _CLOSES for part in mark.groups()) else "<think>"


def _channels(text: str) -> tuple[str, str]:
    """What stands in harmony's final channel, and in the others; a text without channels is said."""
    opened = list(_CHANNEL.finditer(text)) if "<|channel|>" in text else []
    if not opened:
        bare = _BARE_CHANNELS.match(text) if text.lstrip()[:1] in ("a", "c") else None
        if bare is None:
            return text, ""
        thought, _, final = text[bare.end() :].partition(_BARE_FINAL)
        return final, thought
    said, thoughts = list[str](), list[str]()
    for channel in opened:
        end = _CHANNEL_END.search(text, channel.end())
        (said if channel[1] == "final" else thoughts).append(text[channel.end() : end.start() if end else len(text)])
        if channel[1] == "final" and end is not None and end[0] == "<|return|>":
            break
    return "\n".join(said), "\n".join(thoughts)


def _first_turn(text: str) -> str:
    """`text` without the header of its turn, up to the token that ends it."""
    begin = 0
    while begun := _TURN_BEGINS.match(text, begin):
        begin = begun.end()
    leading = _LEADING_TOKENS.match(text, begin)
    for end in _TURN_ENDS.finditer(text, leading.end() if leading else begin):
        if end[0] != "</s>" or "<s>" not in text[begin:]:  # else it is HTML's struck-out text
            return text[begin : end.start()]
    return text[begin:]


def _outside(text: str) -> tuple[str, str]:
    """`text` outside thinking tags, and what stands inside them."""
    said, thoughts, opened, start, position = list[str](), list[str](), "", 0, 0
    for match in _THOUGHT.finditer(text):
        closing, name = match[1], match[2].lower()
        if opened:
            if closing and name == opened:
                if name.startswith(_REASONS):
                    thoughts.append(text[start : match.start()])
                opened, position = "", match.end()
        elif not closing:
            said.append(text[position : match.start()])
            opened, start = name, match.end()
        elif name.startswith(_REASONS):
            thoughts.extend((*said, text[position : match.start()]))
            said.clear()
            position = match.end()
    if opened:
        final = _FINAL_TAG.search(text, max(start, len(text) - 500))
        position = final.start() if final else len(text)
        thoughts.append(text[start:position])
    said.append(text[position:])
    return "\n".join(filter(None, said)), "\n".join(filter(None, thoughts))
