"""What a report says of one model beyond its modes, gaps and diagnosis, where there is anything to say."""

from __future__ import annotations

from collections.abc import Iterator

from bench.gap.document import CaptionLossDoc, LetterDoc, ModeDoc, ModelDoc, ReadbackDoc
from bench.report import words
from bench.report.tables import Table


def tables(model: ModelDoc) -> Iterator[Table]:
    """Blind answers, what the caption keeps, readback, replicates, letters."""
    if "blind" in model:
        blind = model["blind"]
        row = [words.percent(blind["accuracy"]), words.percent(blind["chance"]), words.p_value(blind["p"])]
        says = "Does the question alone help? The p-value is of no better than guessing."
        yield Table(("", "blind accuracy", "chance", "p"), [["all puzzles", *row]], "Better than guessing without a picture", says)
    if "caption_loss" in model and model["diagnosis"]["using"] is None:  # with its own captions, the diagnosis says it
        yield _caption_loss(model["caption_loss"])
    if "readback" in model:
        yield _readback(model["readback"])
    several = {name: mode for name, mode in model["modes"].items() if "pass_at_k" in mode}
    if several:
        yield _replicates(several)
    biased = {mode: doc for mode, doc in model["letters"].items() if doc["biased"]}
    if biased:
        yield _letters(biased)


def _caption_loss(loss: CaptionLossDoc) -> Table:
    rows = [
        ["description - image", words.gap(loss["total"])],
        ["of it, lost by the captioner (description - caption)", words.gap(loss["lost_by_captioner"])],
        ["of it, said in the caption and not used from the image (caption - image)", words.gap(loss["said_not_used"])],
    ]
    says = f"On the {loss['total']['n']} puzzles with all three modes."
    return Table(("difference", "points (95% CI)"), rows, "What the caption keeps", says)


_ABOVE = "facts, above one text for all"


def _readback(doc: ReadbackDoc) -> Table:
    rows = [
        ["whole picture", words.rate(doc["whole_state"])],
        ["right answer from what was written", words.rate(doc["answer"])],
        ["facts recalled", words.rate(doc["recall"])],
        ["facts stated that are right", words.rate(doc["precision"])],
        [_ABOVE, words.rate(doc["above_floor"])],
        *([f"facts recalled in {family}", words.rate(rate)] for family, rate in doc["families"].items() if len(doc["families"]) > 1),
        *([f"{_ABOVE}, {family}", words.rate(rate)] for family, rate in doc["families_above_floor"].items() if len(doc["families"]) > 1),
    ]
    says = f"{doc['n']} replies on {doc['puzzles']} puzzles, written in the family's notation and read exactly."
    says += " Above one text for all: (F1 - floor) / (1 - floor), the floor being the F1 of the best description that looks at no picture."
    if doc["suspect"]:
        says += f" Perception in use is not how much is seen: {doc['suspect']}."
    return Table(("of the picture", "percent (95% CI)"), rows, "What the model writes of the picture when asked", says)


def _replicates(several: dict[str, ModeDoc]) -> Table:
    most = max(len(mode.get("pass_at_k", {})) for mode in several.values())
    ks = sorted({k for k in (1, 2, 3, 4, 5, 8, 10, 16, 25, 32, 64, most) if k <= most})
    rows = [
        [name, *(words.percent(mode.get("pass_at_k", {}).get(str(k))) for k in ks), words.percent(mode.get("consistency"))]
        for name, mode in several.items()
    ]
    says = "pass@k is the chance, in percent, that at least one of k replies is right; consistency the chance that two agree."
    return Table(("mode", *(f"pass@{k}" for k in ks), "consistency"), rows, "Replies to the same question", says)


def _letters(biased: dict[str, LetterDoc]) -> Table:
    letters = list(dict.fromkeys(letter for doc in biased.values() for letter in doc["chosen"]))
    rows = [
        [mode, *(words.percent(doc["chosen"].get(letter, 0) / doc["n"]) for letter in letters), ", ".join(doc["biased"])]
        for mode, doc in biased.items()
    ]
    return Table(("mode", *letters, "favoured"), rows, "Letters", "How often each was chosen, in percent, where one is favoured.")
