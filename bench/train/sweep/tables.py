"""The tables of a sweep: the seeds of a reward are replicates of one model, and every reward is compared with the base puzzle by puzzle.

The base is one checkpoint; it stands beside every seed, so that each difference is paired within its puzzle and intervals are over puzzles
(resampled whole, with all seeds on them). They hold for these seeds: how far single seeds lie apart is printed beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np
import pandas as pd

from bench.gap.cells import CLEAR, Cells
from bench.gap.contrast import accuracy_change, compare, correct
from bench.gap.document import Bounds, ChangeDoc, ComparisonDoc, FamilyDoc
from bench.gap.doses import at_dose
from bench.gap.frame import load_runs
from bench.gap.numbers import rounded
from bench.gap.parts import part
from bench.gap.perception import Seen, read_facts
from bench.mode import Mode
from bench.report import verdict, words
from bench.report.markdown import table
from bench.report.paper import tex
from bench.report.paper.rows import published
from bench.stats.paired import bootstrap_sums, percentile_interval
from bench.store.run import open_runs
from bench.train.recipe import Recipe
from bench.train.sweep.between import BetweenDoc, between, between_header, between_rows
from bench.train.sweep.checkpoint import BASE, SweepCheckpoint

SEED = 20260101
DOMAINS = ("all", "in-domain", "out-of-domain")


class FactsDoc(TypedDict):
    """What replies state of the visible facts, and its change against the base.

    `share` is the share stated rightly; `above_floor`, which `change` is of, the F1 above that of the best text that is the same for all
    pictures. Older documents have `share` alone, and its change.
    """

    share: float | None
    above_floor: NotRequired[float | None]
    change: NotRequired[ChangeDoc]


FACTS = {"stated": Mode.IMAGE, "read back": Mode.READBACK}
"""What is written of a picture: unasked, before a puzzle is answered, and when asked for it."""


class DomainDoc(TypedDict):
    """One reward on the families of one domain; `facts` by the names of `FACTS`, `change` against the base."""

    whole: FamilyDoc
    facts: dict[str, FactsDoc]
    readback_change: NotRequired[ChangeDoc]
    change: NotRequired[ComparisonDoc]


class RewardDoc(TypedDict):
    """One reward: its seeds, image accuracy seed by seed, runs that were stopped, and the numbers by domain."""

    reward: str
    seeds: list[int]
    image_by_seed: list[float]
    stopped: list[str]
    domains: dict[str, DomainDoc]


class SweepDoc(TypedDict):
    """One of the evaluations that `sweep.json` holds."""

    temperature: float
    dose: str
    recipe: str
    recipe_sha256: str
    suite: dict[str, Any]
    steps: int
    in_domain: list[str]
    out_of_domain: list[str]
    rewards: list[RewardDoc]
    between: NotRequired[list[BetweenDoc]]


def sweep_document(checkpoints: Sequence[SweepCheckpoint], recipe: Recipe, dose: str = CLEAR) -> SweepDoc:
    """The numbers of a sweep from its runs alone, all of them at one temperature, and of pictures with one dose of damage.

    Raises:
        UserError: a run is missing or cannot be paired with the others.
    """
    runs = open_runs([checkpoint.run for checkpoint in checkpoints])
    loaded = load_runs(runs)
    frame = at_dose(loaded.frame, dose)
    facts = {what: _facts(read_facts(runs, frame, mode)) for what, mode in FACTS.items()}
    rewards = list(dict.fromkeys(checkpoint.reward for checkpoint in checkpoints))
    tables = {reward: _table(frame, [c for c in checkpoints if c.reward == reward]) for reward in rewards}
    seeds = max(1, *(sum(c.reward == reward for c in checkpoints) for reward in tables))
    base = pd.concat([tables[BASE].assign(replicate=replicate) for replicate in range(seeds)], ignore_index=True)
    name, sha256 = loaded.suite
    made = [_reward(tables[reward], base, facts, [c for c in checkpoints if c.reward == reward], recipe) for reward in rewards]
    for domain in DOMAINS:
        correct([change for reward in made if (change := (doc := reward["domains"].get(domain)) and doc.get("change"))])
    return {
        "temperature": checkpoints[0].temperature,
        "dose": dose,
        "recipe": recipe.name,
        "recipe_sha256": recipe.sha256,
        "suite": {"name": recipe.sweep.evaluate.words, "sha256": sha256, "n": int(frame["puzzle"].nunique()), "of": name},
        "steps": int(recipe.grpo["max_steps"]),
        "in_domain": list(recipe.data.in_domain),
        "out_of_domain": list(recipe.data.out_of_domain),
        "rewards": made,
        "between": between(frame, {what: _above(by) for what, by in facts.items()}, checkpoints, recipe.data.in_domain),
    }


def _table(frame: pd.DataFrame, checkpoints: Sequence[SweepCheckpoint]) -> pd.DataFrame:
    """The rows of one reward, its seeds numbered as replicates."""
    rows = [frame[frame["model"] == checkpoint.model].assign(replicate=number) for number, checkpoint in enumerate(checkpoints)]
    return pd.concat(rows, ignore_index=True)


def _reward(rows: pd.DataFrame, base: pd.DataFrame, facts: _Facts, checkpoints: Sequence[SweepCheckpoint], recipe: Recipe) -> RewardDoc:
    reward = checkpoints[0].reward
    images = [Cells.of(rows[rows["replicate"] == number]).right[Mode.IMAGE] for number in range(len(checkpoints))]
    domains: dict[str, DomainDoc] = {}
    for domain, families in zip(DOMAINS, (None, recipe.data.in_domain, recipe.data.out_of_domain), strict=True):
        mine, theirs = (_of_families(table, families) for table in (rows, base))
        if not len(mine):
            continue
        codes = np.unique(mine["puzzle"].cat.codes)
        start = None if reward == BASE else str(base["model"].iloc[0])
        found = {what: _facts_doc(by_model, [c.model for c in checkpoints], start, codes) for what, by_model in facts.items()}
        doc: DomainDoc = {"whole": part(Cells.of(mine), SEED), "facts": found}
        if reward != BASE:
            old, new = Cells.of(theirs), Cells.of(mine)
            doc["change"] = compare(old, new, BASE, reward, SEED)
            doc["readback_change"] = accuracy_change(old, new, (Mode.READBACK,), SEED)
        domains[domain] = doc
    return {
        "reward": reward,
        "seeds": [c.seed for c in checkpoints if c.seed is not None],
        "image_by_seed": [rounded(float(np.nanmean(values))) for values in images],
        "stopped": [f"seed {c.seed}: {c.stopped}" for c in checkpoints if c.stopped],
        "domains": domains,
    }


def _of_families(table: pd.DataFrame, families: Sequence[str] | None) -> pd.DataFrame:
    return table if families is None else table[table["family"].isin(families)]


_Facts = Mapping[str, Mapping[str, pd.DataFrame]]


def _facts(seen: Mapping[str, Sequence[Seen]]) -> dict[str, pd.DataFrame]:
    """Model -> what is stated of the visible facts, by code of the puzzle: the share stated rightly, and the F1 above the floor."""
    return {
        model: pd.DataFrame({one.puzzle: {"share": one.recall, "above": one.above} for one in replies}, dtype=float).T
        for model, replies in seen.items()
    }


def _above(by_model: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series[float]]:
    return {model: seen["above"] for model, seen in by_model.items()}


def _facts_doc(by_model: Mapping[str, pd.DataFrame], models: Sequence[str], start: str | None, codes: np.ndarray[Any, Any]) -> FactsDoc:
    """The facts of the checkpoints `models` on the puzzles with `codes`, and their change against the checkpoint `start`."""
    seen = [by_model[model].reindex(codes) for model in models if model in by_model]
    means = pd.concat(seen).mean() if seen else None
    doc: FactsDoc = {
        "share": None if means is None else rounded(float(means["share"])),
        "above_floor": None if means is None else rounded(float(means["above"])),
    }
    if start is not None:
        old = by_model[start].reindex(codes)["above"] if start in by_model else None
        doc["change"] = _facts_change(old, [one["above"] for one in seen])
    return doc


def _facts_change(old: pd.Series[float] | None, new: Sequence[pd.Series[float]]) -> ChangeDoc:
    """The mean change of what is stated of the facts, with a bootstrap interval over puzzles."""
    if old is None or not new:
        return {"delta": None, "ci": None, "why": "not asked"}
    change = (pd.concat(list(new), axis=1).mean(axis=1) - old).dropna().to_numpy(np.float64)
    draws = bootstrap_sums(change[:, None], seed=SEED)[:, 0] / len(change)
    found = percentile_interval(draws)
    ci: Bounds | None = [rounded(found[0]), rounded(found[1])] if found else None
    return {"delta": rounded(float(change.mean())), "ci": ci}


# -- rendering ---------------------------------------------------------------------------------------------------------------------------
ACCURACY_HEADER = ("reward", "image", "95% CI", "change", "seeds", "in-domain", "change", "out-of-domain", "change", "published (7B)")
FACTS_HEADER = ("reward", *(name for domain in ("all", "in-domain") for what in FACTS for name in (f"{what}, {domain}", "change")))


BETWEEN = (
    "Differences in points with 95% intervals over puzzles *and* seeds (`bench.stats.crossed`), and p-values after Holm's correction over "
    "all rewards and columns: what can be said of the next seed. *Oracle* is the accuracy on true descriptions: thinking alone."
)


def accuracy_rows(document: SweepDoc) -> list[list[str]]:
    """Accuracy on images with its change against the base: over all families, in-domain and out-of-domain."""
    rows: list[list[str]] = []
    for reward in document["rewards"]:
        domains = reward["domains"]
        image = domains["all"]["whole"]["modes"]["image"]
        row = [reward["reward"], words.percent(image["accuracy"]), words.interval(image["ci"]), _change(domains["all"], "image")]
        row.append(" ".join(words.percent(value) for value in reward["image_by_seed"]) if reward["seeds"] else "")
        for domain in DOMAINS[1:]:
            doc = domains.get(domain)
            row += [words.percent(doc["whole"]["modes"]["image"]["accuracy"]) if doc else "", _change(doc, "image") if doc else ""]
        rows.append([*row, _published(reward["reward"])])
    return rows


def diagnosis_header(document: SweepDoc) -> list[str]:
    """Columns of `diagnosis_rows`."""
    return ["reward", "lost", *(column for name in _told(document) for column in (name, "change")), "verdict"]


def diagnosis_rows(document: SweepDoc) -> list[list[str]]:
    """Over all families: what is lost on pictures, and of it to each part, with the changes of these points."""
    rows: list[list[str]] = []
    for reward in document["rewards"]:
        doc = reward["domains"]["all"]
        diagnosis, change = doc["whole"]["diagnosis"], doc.get("change")
        row = [reward["reward"], verdict.with_interval(diagnosis["loss"])]
        for name in _told(document):
            row += [verdict.with_interval(diagnosis[name]), _change(doc, name)]
        rows.append([*row, verdict.improved(change) if change else ""])
    return rows


def _told(document: SweepDoc) -> tuple[Literal["using", "seeing", "thinking", "picture"], ...]:
    """The parts that the arms of the evaluation tell; without own captions, using and seeing are one."""
    kinds = {reward["domains"]["all"]["whole"]["diagnosis"]["kind"] for reward in document["rewards"]}
    return ("picture", "thinking") if "picture" in kinds else ("using", "seeing", "thinking")


def facts_rows(document: SweepDoc) -> list[list[str]]:
    """What of the visible facts is stated before answering and read back when asked, with changes: all families, in-domain."""
    rows: list[list[str]] = []
    for reward in document["rewards"]:
        row = [reward["reward"]]
        for domain in ("all", "in-domain"):
            for facts in reward["domains"][domain]["facts"].values():
                row += [words.percent(facts.get("above_floor", facts["share"])), words.change(facts["change"]) if "change" in facts else ""]
        rows.append(row)
    return rows


def _change(doc: DomainDoc, what: str) -> str:
    change: Any = doc.get("change")
    return words.change(change[what]) if change else ""


def _published(reward: str) -> str:
    """The mean of the paper's nine families that was published for a reward, as percent (third-party notes)."""
    wanted = f"Qwen2.5-VL-7B, {reward}"
    return next((f"{row['mean']:.1f}" for row in published()["reward"] if row["model"] == wanted and "mean" in row), "")


def _remarks(document: SweepDoc) -> list[str]:
    trained = [reward for reward in document["rewards"] if reward["reward"] != BASE]
    remarks = [
        f"Every reward was trained for {document['steps']} steps from one base checkpoint with {_seeds(trained)}, by recipe "
        f"{document['recipe']} ({document['recipe_sha256'][:12]}); all checkpoints were asked the same {document['suite']['n']} fresh "
        f"puzzles ({document['suite']['name']}), which share no state with any training set.",
        f"In-domain (trained on): {', '.join(document['in_domain'])}. Out-of-domain: {', '.join(document['out_of_domain']) or 'none'}.",
        "Changes are against the base on the same puzzles, in points, with 95% intervals over puzzles for these seeds. *Using*, *seeing* "
        "(together *the picture*) and *thinking* are points lost, so a change below 0 is an improvement; one is named where its exact "
        "test stays significant after "
        "Holm's correction over the three parts and all rewards. Where an arm was not asked, what it would tell is a dash.",
        f"*Facts* are {_facts_remark(document)}: *stated* unasked, before a puzzle is answered; *read back* when asked for the notation.",
        "*Published* is the mean of nine families for Qwen2.5-VL-7B trained on Diverse-8k, from third-party reading notes: other puzzles, "
        "another model, one seed. " + published()["noise"],
    ]
    remarks += [f"{reward['reward']}, {stopped}" for reward in trained for stopped in reward["stopped"]]
    return remarks


def _facts_remark(document: SweepDoc) -> str:
    facts = [doc for reward in document["rewards"] for domain in reward["domains"].values() for doc in domain["facts"].values()]
    if any("above_floor" in doc for doc in facts):
        return (
            "what replies state of a picture above one text for all pictures, (F1 - floor) / (1 - floor), the floor being the F1 of the "
            "best such text"
        )
    return "shares of what a picture shows that replies state rightly"


def _seeds(rewards: Sequence[RewardDoc]) -> str:
    seeds = sorted({seed for reward in rewards for seed in reward["seeds"]})
    if any(len(reward["seeds"]) < len(seeds) for reward in rewards):
        return "as many seeds as it has numbers in the column *seeds*"
    return f"each of {len(seeds)} seeds" if len(seeds) != 1 else f"one seed ({seeds[0]})"


def markdown(documents: Sequence[SweepDoc]) -> str:
    """The tables of a sweep as Markdown, one evaluation after another."""
    lines = ["# Rewards from one start", "", *(f"- {remark}" for remark in _remarks(documents[0])), ""]
    for document in documents:
        how = decoding(document)
        lines += [f"## Accuracy on images, {how}", "", *table(ACCURACY_HEADER, accuracy_rows(document))]
        lines += [f"## Using, seeing and thinking, {how}", "", *table(diagnosis_header(document), diagnosis_rows(document))]
        lines += [f"## Facts, {how}", "", *table(FACTS_HEADER, facts_rows(document))]
        if compared := document.get("between"):
            lines += [f"## Against {compared[0]['against']}, in-domain, {how}", "", BETWEEN, ""]
            lines += table(between_header(compared), between_rows(compared))
    return "\n".join(lines).rstrip() + "\n"


def decoding(document: SweepDoc) -> str:
    """How replies were drawn, and what of, in words."""
    drawn = f"replies drawn at temperature {document['temperature']:g}" if document["temperature"] else "greedy decoding"
    return f"pictures damaged by {document['dose']}, {drawn}" if document["dose"] else f"clean pictures, {drawn}"


def latex(document: SweepDoc) -> str:
    """The tables of one evaluation for a paper (booktabs), each with caption, label and notes."""
    how = decoding(document)
    slug = f"{document['temperature']:g}".replace(".", "-")
    made: list[str] = []
    compared = document.get("between") or []
    for header, rows, what, title in (
        (ACCURACY_HEADER, accuracy_rows(document), "accuracy", "Accuracy on images"),
        (diagnosis_header(document), diagnosis_rows(document), "diagnosis", "What is lost"),
        (FACTS_HEADER, facts_rows(document), "facts", "Facts of the picture that replies state"),
        *(
            [(between_header(compared), between_rows(compared), "between", f"Against {compared[0]['against']}, in-domain")]
            if compared
            else []
        ),
    ):
        lines = [[tex.name(row[0]), *(tex.cell(cell) for cell in row[1:])] for row in rows]
        notes = [remark.replace("*", "") for remark in _remarks(document)] if what == "accuracy" else []
        made.append(tex.table(tex.panels(header, lines), f"{title} by reward, {how}.", f"sweep-{what}-{slug}", notes))
    return "".join(made)
