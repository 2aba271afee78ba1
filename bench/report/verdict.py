"""The diagnosis in words: what a model loses to not using what it sees, to seeing and to thinking. Every format says it from here.

A part is named as a loss only where its interval lies above 0. Where an arm is missing, the words say what is known and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench.gap.document import PARTS, ChangeDoc, ComparisonDoc, DiagnosisDoc, EstimateDoc, ModelDoc, PointsDoc
from bench.report.words import change, interval, label, percent, points

TO = {"using": "not using what it sees", "seeing": "seeing", "thinking": "thinking", "picture": "the picture"}
"""What a loss is to, in a sentence."""
CELL_NAMES = {
    "on_image": "right on the image",
    "own_words": "right with its own words",
    "true_description": "right with the true description only",
    "solved": "solved from its own words only",
    "neither": "neither alone",
}
"""The cells of the attribution, named by what was observed."""
IN_USE = "perception in use"
"""What (A_image - g)/(A_oracle - g) is called: it mixes seeing and using."""
MISSING = {
    "caption": "its own captions",
    "oracle": "true descriptions",
    "readback": "readback",
    "image": "the image",
}
_NAMED = 4
"""Most families that a rate's remark names one by one."""

_ONE_ORDER = {
    "readback": "without readback the orders cannot be averaged",
    "oracle": "without true descriptions the orders cannot be averaged",
}


class PartRow(NamedTuple):
    """A part of the loss in a table: its name, points with interval, and the range over both orders of repair ("" where there is one)."""

    name: str
    points: str
    orders: str


class Square(NamedTuple):
    """The table of the diagnosis, in percent: rows own and true description, columns own and perfect reasoning."""

    own: tuple[str, str]
    true: tuple[str, str]


def sentence(model: ModelDoc) -> str:
    """The verdict on one model, in one sentence (and which parts are most of it)."""
    return f"{label(model)} {of(model['diagnosis'])}"


def of(diagnosis: DiagnosisDoc) -> str:
    """The verdict without the model's name: "loses 78.0 points: 24.3 [18.3, 29.8] to not using what it sees, ..."."""
    loss = diagnosis["loss"]
    if loss is None:
        return f"has no verdict: {diagnosis.get('why', 'too few outcomes')}."
    end = f"{_unanswered(diagnosis['unanswered'])}.{_chief(diagnosis)}"
    if loss["points"] == 0:
        return f"loses nothing: it is right on all {diagnosis['n']} puzzles{end}"
    return f"loses {percent(loss['points'])} points{_split(diagnosis)}{end}"


def with_interval(doc: PointsDoc | None) -> str:
    """A part in points with its interval: "24.3 [18.3, 29.8]"; "-" where it cannot be told."""
    return "-" if doc is None else f"{percent(doc['points'])} {interval(doc['ci'])}"


def part_rows(diagnosis: DiagnosisDoc) -> list[PartRow]:
    """The loss and its parts as rows of a table: those that are known, in the order in which they are repaired."""
    shown = [("loss", diagnosis["loss"])]
    shown += [(name, diagnosis[name]) for name in (*(diagnosis["order"] or PARTS), "picture") if diagnosis[name]]
    if diagnosis["picture"]:
        shown.sort(key=lambda row: ("loss", "picture", "thinking").index(row[0]))
    shown += [("interaction", diagnosis["interaction"])]
    shown += [("gain with the description", diagnosis["gain"]), ("remains", diagnosis["remains"])]
    return [PartRow(name, with_interval(doc), _orders(doc)) for name, doc in shown if doc]


def lost(diagnosis: DiagnosisDoc) -> list[PointsDoc | None]:
    """Using, seeing and thinking, None where they cannot be told."""
    return [diagnosis["using"], diagnosis["seeing"], diagnosis["thinking"]]


def square(diagnosis: DiagnosisDoc) -> Square | None:
    """The table of the diagnosis; None where an arm of it is missing."""
    arms = diagnosis["arms"]
    if diagnosis["kind"] != "complete":
        return None
    return Square((percent(arms["caption"]), percent(arms["readback"])), (percent(arms["oracle"]), "100.0"))


def cannot_tell(diagnosis: DiagnosisDoc) -> str:
    """What this diagnosis cannot tell for lack of an arm, as a sentence; "" where it is complete."""
    kind, names = diagnosis["kind"], " and ".join(MISSING.get(name, name) for name in diagnosis["missing"])
    said = {
        "order": "the parts are given in one order of repair, not averaged over both",
        "picture": "using and seeing cannot be told apart and are given as one, the picture",
        "description": "what is gained with the description is not split into using and seeing",
        "own_words": "seeing and thinking cannot be told apart",
        "loss": "the loss cannot be split",
    }
    return f"Without {names}, {said[kind]}." if kind in said else ""


def rate(doc: EstimateDoc) -> str:
    """A rate with its interval, in percent; that it is not identifiable, over all families or in some; why it is outside 0 to 100."""
    if not doc["identifiable"]:
        return f"not identifiable: {doc.get('why', '')}".rstrip(": ")
    shown = f"{percent(doc['estimate'])} {interval(doc['ci'])}"
    without = doc.get("unidentified", [])
    where = f"{len(without)} families, taken one by one" if len(without) > _NAMED else ", ".join(without)
    remarks = [f"not identifiable in {where}"] if without else []
    remarks += [doc["note"]] if "note" in doc else []
    return f"{shown} ({'; '.join(remarks)})" if remarks else shown


def rate_rows(diagnosis: DiagnosisDoc) -> list[tuple[str, str]]:
    """(name, words) of the rates beside the points, and of perception in use."""
    rates = diagnosis["rates"]
    named = [("sees", rates["sees"]), ("uses", rates["uses"]), ("thinks", rates["thinks"]), (IN_USE, diagnosis["perception"])]
    return [(name, rate(doc)) for name, doc in named]


# -- two models --------------------------------------------------------------------------------------------------------------------------
def improved(doc: ComparisonDoc) -> str:
    """What clearly changed in a comparison, in a few words: "improved in seeing", "improved in using, worse in thinking"."""
    said = [(doc["improved"], "improved in"), (doc["worse"], "worse in")]
    if any(names for names, _ in said):
        return ", ".join(f"{verb} {' and '.join(names)}" for names, verb in said if names)
    known = any(part["delta"] is not None for part in (doc["using"], doc["seeing"], doc["thinking"], doc["picture"]))
    return "no clear change" if known else "what changed cannot be told"


def changed_parts(doc: ComparisonDoc) -> list[tuple[str, ChangeDoc]]:
    """(name, change of the points lost) of the parts that both models' arms can tell."""
    named: list[tuple[str, ChangeDoc]] = [("using", doc["using"]), ("seeing", doc["seeing"]), ("picture", doc["picture"])]
    named += [("thinking", doc["thinking"])]
    return [(name, part) for name, part in named if part["delta"] is not None]


def comparison(doc: ComparisonDoc) -> list[str]:
    """A comparison in two lines: the verdict, and the changes of the points lost behind it."""
    parts = ", ".join(f"{name} {change(part)}" for name, part in changed_parts(doc)) or f"loss {change(doc['loss'])}"
    return [
        f"{doc['model']} against {doc['baseline']}: {improved(doc)} ({doc['n']} puzzles)",
        f"  change of the points lost: {parts}",
    ]


# -- phrases -----------------------------------------------------------------------------------------------------------------------------
def _split(diagnosis: DiagnosisDoc) -> str:
    """What the loss is to, from the colon on."""
    kind = diagnosis["kind"]
    gain, remains = diagnosis["gain"], with_interval(diagnosis["remains"])
    if kind == "complete":
        return _losses([(name, diagnosis[name]) for name in PARTS], diagnosis["named"])
    if kind == "order":
        parts = [(name, diagnosis[name]) for name in PARTS if name in diagnosis["order"]]
        parts.sort(key=lambda part: diagnosis["order"].index(part[0]))
        why = next((_ONE_ORDER[name] for name in diagnosis["missing"] if name in _ONE_ORDER), "")
        return f"{_losses(parts, diagnosis['named'])}, in this order of repair ({why})"
    if kind == "picture":
        one = " (using and seeing cannot be told apart without its own captions)"
        return _losses([("picture", diagnosis["picture"]), ("thinking", diagnosis["thinking"])], diagnosis["named"]) + one
    if kind == "description":
        return f": {_gain(gain)}; {remains} remain"
    if kind == "own_words":
        rest = f"; {remains} remain, in which seeing and thinking cannot be told apart without true descriptions"
        return _losses([("using", diagnosis["using"])], diagnosis["named"]) + rest
    return f" {interval(diagnosis['loss']['ci']) if diagnosis['loss'] else ''}; to what cannot be told from the image alone"


def _losses(parts: Sequence[tuple[str, PointsDoc | None]], named: Sequence[str]) -> str:
    """The text ": 24.3 [18.3, 29.8] to not using what it sees, ...; no clear loss to seeing (0.4 [-0.8, 1.6])"."""
    known = [(name, doc) for name, doc in parts if doc is not None]
    losses = [f"{with_interval(doc)} to {TO[name]}" for name, doc in known if name in named]
    gains = [_gained(name, doc) for name, doc in known if doc["ci"][1] < 0]
    unclear = [f"{TO[name]} ({with_interval(doc)})" for name, doc in known if name not in named and doc["ci"][1] >= 0]
    said = [", ".join(losses)] if losses else []
    said += gains
    said += [f"no clear loss to {' or '.join(unclear)}"] if unclear else []
    return f": {'; '.join(said)}"


def _gained(name: str, doc: PointsDoc) -> str:
    """A part that is clearly below 0: what should help, harms."""
    size = f"{percent(-doc['points'])} {interval([-doc['ci'][1], -doc['ci'][0]])}"
    if name == "using":
        return f"its own words serve it {size} points worse than the picture does"
    return f"repairing {TO[name]} would cost it {size} points"


def _gain(gain: PointsDoc | None) -> str:
    assert gain is not None  # of this kind
    if gain["ci"][0] <= 0 <= gain["ci"][1]:
        return f"no clear gain with the description ({points(gain['points'])} {interval(gain['ci'], signed=True)})"
    if gain["points"] < 0:
        return f"with the description it does {percent(-gain['points'])} {interval([-gain['ci'][1], -gain['ci'][0]])} worse"
    return f"with the description it gains {with_interval(gain)}"


def _unanswered(arms: Mapping[str, Mapping[str, float]]) -> str:
    """The text ", but with 12.0% truncated of its image replies": arms whose replies were often no answers, in the same breath."""
    said = [
        f"{' and '.join(f'{percent(share)}% {outcome}' for outcome, share in shares.items())} of its {arm} replies"
        for arm, shares in arms.items()
    ]
    return f", but with {', '.join(said)}" if said else ""


def _chief(diagnosis: DiagnosisDoc) -> str:
    """Which parts make up most of the loss."""
    if not diagnosis["chief"]:
        return ""
    failures = "failures" if len(diagnosis["chief"]) > 1 else "failure"
    return f" Chief {failures}: {' and '.join(diagnosis['chief'])}."


def _orders(doc: PointsDoc) -> str:
    orders = doc.get("orders")
    return "" if not orders else f"{percent(min(orders))} to {percent(max(orders))}"
