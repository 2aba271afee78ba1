"""JUnit XML, for the test tab of a CI service: one case for each family and mode.

Of a comparison, a case fails where it is a regression and is skipped where it is too small to tell. Of a single run there is nothing to be
worse than, so a case fails where trials ended without an outcome (errors, failed captions) and is skipped where it has no trial; accuracy
never fails it. The dialect is what Jenkins, GitLab and pytest share (the Jenkins xUnit plug-in's schema): `testsuites`, `testsuite`,
`testcase` with `failure` or `skipped`, then `system-out`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from bench.comparison.result import Case, Comparison, Decision
from bench.files import write_atomically
from bench.gap.document import Document, FamilyDoc, ModeDoc, ModelDoc
from bench.report import words
from bench.visible import REPLACEMENT, on_screen

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FILE = "junit.xml"


@dataclass(frozen=True, slots=True)
class _TestCase:
    """One `testcase`; `status` is None where it passes; `message` and `kind` say why where it does not."""

    group: str
    name: str
    output: str
    status: Literal["failure", "skipped"] | None = None
    message: str = ""
    kind: str = ""


def write_junit(document: Document, folder: Path) -> list[Path]:
    """Write `junit.xml` of a single report into `folder`; returns what was written."""
    path = folder / FILE
    write_atomically(path, render_document(document))
    return [path]


def render_document(document: Document) -> str:
    """The XML of a single report: whether every family was asked whole in every mode."""
    suites = [(words.label(model), list(_model_cases(model))) for model in document["models"]]
    return _xml(f"sightgap {document['suite']['name']}", suites)


def render_comparison(comparison: Comparison) -> str:
    """The XML of a comparison: a suite for each model, and one case that says whether the runs are complete."""
    complete = _TestCase("comparison", "complete", "\n".join((comparison.sentence, *comparison.notes)))
    if comparison.problems:
        complete = _TestCase("comparison", "complete", comparison.sentence, "skipped", "; ".join(comparison.problems))
    suites = [("comparison", [complete])]
    cases = (*comparison.overall, *comparison.cases)
    models = dict.fromkeys(case.model for case in cases)
    suites += [(model, [_compared(case, comparison) for case in cases if case.model == model]) for model in models]
    return _xml(f"sightgap compare {comparison.baseline} {comparison.candidate}", suites)


def clean(text: str) -> str:
    """`text` with every character that commands a terminal, or that XML 1.0 cannot hold, replaced by U+FFFD."""
    return _ILLEGAL.sub(REPLACEMENT, on_screen(text))


def _compared(case: Case, comparison: Comparison) -> _TestCase:
    name = f"{case.family or 'overall'}, {case.mode}"
    low, high = words.points(case.low), words.points(case.high)
    numbers = [
        f"baseline {words.percent(case.baseline)}%, candidate {words.percent(case.candidate)}%",
        f"difference {words.points(case.delta)} points, one-sided {100 * (1 - comparison.alpha):g}% bounds {low} and {high}",
        f"p of worse by {100 * comparison.margin:g} points or more {words.p_value(case.p)}; p of no worse {words.p_value(case.p_worse)}",
        f"{case.puzzles} puzzles, {case.trials} pairs; detectable drop {words.percent(case.detectable)} points",
        f"puzzles that would be enough: {'none' if case.enough is None else case.enough}",
        "" if case.decides else "a control: does not decide",
    ]
    output = "\n".join(line for line in numbers if line)
    if case.verdict is Decision.REGRESSION:
        return _TestCase(case.model, name, output, "failure", f"regression: {words.points(case.delta)} points", "regression")
    if case.verdict is Decision.PASS or not case.decides:
        return _TestCase(case.model, name, output)
    return _TestCase(
        case.model, name, output, "skipped", f"{case.verdict.value}: {case.puzzles} puzzles, {words.points(case.delta)} points"
    )


def _model_cases(model: ModelDoc) -> Iterable[_TestCase]:
    label = words.label(model)
    for family, part in (*model["families"].items(), ("overall", model)):
        for mode in model["modes"]:
            yield _asked(label, family, mode, part)


def _asked(label: str, family: str, mode: str, part: FamilyDoc) -> _TestCase:
    name, doc = f"{family}, {mode}", part["modes"].get(mode)
    if doc is None or not doc["n"]:
        return _TestCase(label, name, "no trial", "skipped", "no trial")
    output = f"accuracy {words.accuracy(doc)}%\n{_counts(doc)}"
    lost = doc["error"] + doc["caption_failed"]
    if lost:
        return _TestCase(
            label, name, output, "failure", f"{lost} of {doc['n']} trials have no outcome: {words.excluded(doc)}", "incomplete"
        )
    return _TestCase(label, name, output)


def _counts(doc: ModeDoc) -> str:
    return ", ".join(f"{doc[outcome]} {outcome}" for outcome in words.OUTCOMES) + f", of {doc['n']}"


def _xml(name: str, suites: Sequence[tuple[str, Sequence[_TestCase]]]) -> str:
    everything = [case for _, cases in suites for case in cases]
    root = ElementTree.Element("testsuites", {"name": clean(name), **_totals(everything, skipped=False)})
    for title, cases in suites:
        suite = ElementTree.SubElement(root, "testsuite", {"name": clean(title), **_totals(cases, skipped=True)})
        for case in cases:
            _append(suite, case)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _totals(cases: Sequence[_TestCase], *, skipped: bool) -> dict[str, str]:
    count = {status: sum(1 for case in cases if case.status == status) for status in ("failure", "skipped")}
    totals = {"tests": str(len(cases)), "failures": str(count["failure"]), "errors": "0"}
    return {**totals, "skipped": str(count["skipped"])} if skipped else totals


def _append(suite: ElementTree.Element, case: _TestCase) -> None:
    element = ElementTree.SubElement(suite, "testcase", classname=clean(case.group), name=clean(case.name))
    if case.status == "failure":
        reason = ElementTree.SubElement(element, "failure", type=clean(case.kind), message=clean(case.message))
        reason.text = clean(case.output)
    elif case.status == "skipped":
        ElementTree.SubElement(element, "skipped", message=clean(case.message))
    ElementTree.SubElement(element, "system-out").text = clean(case.output)
