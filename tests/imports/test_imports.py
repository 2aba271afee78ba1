"""Foreign logs as runs: files that the real tools wrote, layouts from their published source, and everything that cannot be paired."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.commands.imports import DISAGREEMENTS, Wanted, import_logs
from bench.errors import UserError
from bench.gap.make import gap_document
from bench.imports.inspect_logs import load_inspect_log
from bench.outcome import Outcome
from bench.runner.regrade import regrade_run
from bench.store.record import Record
from bench.store.run import open_run, open_runs
from tests.tasks.own import base64_png, write_lines, write_sheet

RECORDED = Path(__file__).parent / "recorded"
LM_EVAL = RECORDED / "lm_eval" / "org__mock-2"
MC = next(LM_EVAL.glob("samples_sums_mc*.jsonl"))
GEN = next(LM_EVAL.glob("samples_sums_gen*.jsonl"))
SUMS = RECORDED / "inspect" / "sums.eval"
EXPECTED = [Outcome.WRONG, Outcome.WRONG, Outcome.CORRECT, Outcome.CORRECT, Outcome.CORRECT, Outcome.WRONG]
"""What becomes of the six sums under `mock-2`."""


def imported(files: Path | Sequence[Path], out: Path, *modes: str, **more: Any) -> tuple[list[Record], list[str]]:
    paths = [files] if isinstance(files, Path) else list(files)
    lines = import_logs(Wanted(paths, modes or ("image",), out, **more))
    return list(open_run(out).records()), lines


def lm_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# -- what the real tools wrote --
def test_lm_eval_multiple_choice(tmp_path: Path) -> None:
    records, lines = imported(MC, tmp_path / "r")
    assert [record.verdict.outcome for record in records] == EXPECTED
    assert [record.verdict.outcome is Outcome.CORRECT for record in records] == [line["acc"] == 1.0 for line in lm_lines(MC)]
    first = records[0]
    assert (first.model, first.suite, first.options) == ("org/mock-2", "sums_mc", ("1", "2", "3"))
    assert first.verdict.gold == "1"
    assert first.verdict.answer == "2"
    assert first.verdict.how == "imported"
    assert lines[1] == "our grader disagrees on 0 of 6 replies"


def test_a_target_is_read_as_the_scores_say(tmp_path: Path) -> None:
    """ "2" is the place of "4" and the text of an option: the score tells which is meant."""
    rows = lm_lines(MC)[1:2]
    for target, acc, gold in (("2", 0.0, "4"), ("2", 1.0, "2")):
        path = write_lines(tmp_path / f"samples_{gold}.jsonl", [{**rows[0], "target": target, "acc": acc}])
        (record,), lines = imported(path, tmp_path / gold)
        assert (record.verdict.gold, record.verdict.answer) == (gold, "2")
        assert lines[1] == "our grader disagrees on 0 of 1 replies"


def test_lm_eval_written_answers_and_filters(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"filtered in several ways \(strict, raw\): choose one with --filter"):
        imported(GEN, tmp_path / "r")
    with pytest.raises(UserError, match=r"no filter 'strct' \(did you mean 'strict'\?\)"):
        imported(GEN, tmp_path / "r", filter_name="strct")
    strict, _ = imported(GEN, tmp_path / "strict", filter_name="strict")
    assert [record.verdict.outcome for record in strict] == EXPECTED
    assert {record.reply.text for record in strict if record.reply} >= {"It is 2."}
    raw, lines = imported(GEN, tmp_path / "raw", filter_name="raw")
    assert {record.verdict.outcome for record in raw} == {Outcome.WRONG}, "nothing was read out of 'It is 2.', and the score says so"
    assert lines[1] == "our grader disagrees on 3 of 6 replies"
    rows = (tmp_path / "raw" / DISAGREEMENTS).read_text().splitlines()
    assert len(rows) == 4
    ours, _ = imported(GEN, tmp_path / "ours", filter_name="raw", grades="ours")
    assert [record.verdict.outcome for record in ours] == EXPECTED
    assert "imported" not in {record.verdict.how for record in ours}


def test_an_eval_file_of_inspect(tmp_path: Path) -> None:
    records, lines = imported(SUMS, tmp_path / "r", "blind")
    log = load_inspect_log(SUMS)
    given = {sample["id"]: sample["scores"]["choice"]["value"] for sample in log["samples"]}
    assert [(record.puzzle.split("/")[2].partition("-")[0], record.verdict.outcome is Outcome.CORRECT) for record in records] == [
        (name, value == "C") for name, value in given.items()
    ]
    assert {record.family for record in records} == {"even", "sums"}
    assert {record.mode for record in records} == {"blind"}
    assert records[0].reply is not None
    assert records[0].reply.usage.input == 3
    assert lines[1] == "our grader disagrees on 0 of 6 replies"


def test_regrading_leaves_the_scores_of_others_alone(tmp_path: Path) -> None:
    imported(GEN, tmp_path / "r", filter_name="raw")
    assert not regrade_run(open_run(tmp_path / "r")).changed


def test_the_same_import_twice_is_one_run(tmp_path: Path) -> None:
    first, _ = imported(MC, tmp_path / "r")
    again, _ = imported(MC, tmp_path / "r")
    assert again == first
    with pytest.raises(UserError, match="another configuration"):
        imported(MC, tmp_path / "r", "blind")


# -- layouts of the published source --
def vlmeval(folder: Path, name: str = "gpt-x_MMSet.tsv", shift: int = 0, **more: Any) -> Path:
    """A sheet as VLMEvalKit writes it: the data set's columns without the picture, and `prediction`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "index": n,
            "question": f"Which is {n}?",
            "hint": "",
            "A": f"it is {n}",
            "B": "none",
            "C": "both",
            "D": "",
            "answer": "A",
            "category": "logic",
            "prediction": ("A", "B. none")[(n + shift) % 2],
            **more,
        }
        for n in range(4)
    ]
    rows[3]["prediction"] = "Failed to obtain answer via API."
    path = folder / name
    if path.suffix == ".xlsx":
        import pandas as pd

        pd.DataFrame(rows).to_excel(path, index=False)  # pyright: ignore[reportUnknownMemberType]
        return path
    return write_sheet(path, rows)


@pytest.mark.parametrize("suffix", [".tsv", ".xlsx"])
def test_a_sheet_of_vlmevalkit(suffix: str, tmp_path: Path) -> None:
    path = vlmeval(tmp_path / "gpt-x", f"gpt-x_MMSet{suffix}")
    with pytest.raises(UserError, match="line 2: the log gives no score: grade again with --grade ours"):
        imported(path, tmp_path / "r")
    records, _ = imported(path, tmp_path / "r", grades="ours")
    assert [record.verdict.outcome for record in records] == [Outcome.CORRECT, Outcome.WRONG, Outcome.CORRECT, Outcome.ERROR]
    assert {(record.model, record.suite, record.family) for record in records} == {("gpt-x", "MMSet", "logic")}
    assert records[0].options == ("it is 0", "none", "both")
    assert open_run(tmp_path / "r").about["finished"] is False


def test_a_scored_sheet_of_vlmevalkit_and_its_disagreements(tmp_path: Path) -> None:
    path = vlmeval(tmp_path / "gpt-x", "gpt-x_MMSet_openai_result.tsv", hit=1)
    records, lines = imported(path, tmp_path / "r")
    assert [record.verdict.outcome for record in records] == [Outcome.CORRECT] * 3 + [Outcome.ERROR]
    assert lines[1] == "our grader disagrees on 1 of 3 replies"
    assert "the log says correct, ours wrong (read 'none', right is 'it is 1')" in lines[2]


def test_samples_of_lmms_eval(tmp_path: Path) -> None:
    """Without `doc`, with `input`, a metric that is an object, and the model in the file beside it."""
    folder = tmp_path / "llava__v1"
    folder.mkdir()
    rows = [
        {
            "doc_id": n,
            "target": "AB"[n % 2],
            "filtered_resps": ["A"],
            "doc_hash": "x",
            "input": f"Which?\nA. x\nB. y ({n})",
            "mm_acc": {"score": 1.0 - n % 2, "category": "z"},
        }
        for n in range(4)
    ]
    path = write_lines(folder / "20250101_101112_samples_mmset.jsonl", rows)
    (folder / "20250101_101112_results.json").write_text(
        json.dumps({"model_name": "llava/v1.5", "n-samples": {"mmset": {"original": 100, "effective": 4}}})
    )
    records, lines = imported(path, tmp_path / "r")
    assert [record.verdict.outcome for record in records] == [Outcome.CORRECT, Outcome.WRONG] * 2
    assert {(record.model, record.suite) for record in records} == {("llava/v1.5", "mmset")}
    assert "mmset: 4 of 100 samples were asked" in lines


# -- arms and suites --
def edited(path: Path, out: Path, edit: Callable[[list[dict[str, Any]]], None]) -> Path:
    rows = lm_lines(path)
    edit(rows)
    return write_lines(out, rows)


def right(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["acc"] = 1.0


def test_two_arms_pair_by_sample_and_make_a_gap(tmp_path: Path) -> None:
    text = edited(MC, tmp_path / "samples_text.jsonl", right)
    with pytest.raises(UserError, match=r"several tasks \(sums_mc, text\): where these are one set in several arms, name it with --name"):
        imported([MC, text], tmp_path / "r", "image", "oracle", model="m")
    imported([MC, text], tmp_path / "r", "image", "oracle", model="m", name="sums")
    document = gap_document(open_runs([tmp_path / "r"]))
    gap = document["models"][0]["gaps"]["oracle-image"]
    assert gap is not None
    assert (gap["n"], gap["delta"]) == (6, 0.5)
    for number, (path, mode) in enumerate(((MC, "image"), (text, "oracle"))):
        imported(path, tmp_path / str(number), mode, model="m", name="sums")
    apart = gap_document(open_runs([tmp_path / "0", tmp_path / "1"]))
    assert apart["models"][0]["gaps"] == document["models"][0]["gaps"], "arms may be imported apart and reported together"


def test_samples_of_a_suite_that_is_known_take_its_puzzles(tmp_path: Path) -> None:
    rows = [
        {
            "id": n,
            "image": base64_png(n),
            "question": f"Which is {n}?",
            "A": f"it is {n}",
            "B": "none",
            "C": "both",
            "answer": "A",
            "description": f"{n}",
            "category": "other",
        }
        for n in range(4)
    ]
    data = write_sheet(tmp_path / "Own.tsv", rows)
    records, _ = imported(vlmeval(tmp_path / "gpt-x"), tmp_path / "r", suite=str(data), grades="ours")
    assert {record.suite for record in records} == {"Own"}
    assert {record.family for record in records} == {"other"}
    lines = [json.loads(line) for line in (tmp_path / "r" / "puzzles.jsonl").read_text().splitlines()]
    assert [line["description"] for line in lines] == ["0", "1", "2", "3"]
    rows[2]["answer"] = "B"
    with pytest.raises(UserError, match=r"MMSet.tsv line 4: the log's right answer 'it is 2' is not the suite's \('none'\): other data"):
        imported(vlmeval(tmp_path / "gpt-x"), tmp_path / "r2", suite=str(write_sheet(data, rows)), grades="ours")
    rows[2]["answer"] = "A"
    with pytest.raises(UserError, match="has no puzzle with the id '3'"):
        imported(vlmeval(tmp_path / "gpt-x"), tmp_path / "r3", suite=str(write_sheet(data, rows[:3])), grades="ours")


# -- what cannot be paired --
def other_target(rows: list[dict[str, Any]]) -> None:
    rows[1] |= {"target": "2", "acc": 0.0}


def other_ids(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["doc_id"] += 100


def repeated(rows: list[dict[str, Any]]) -> None:
    rows.append(rows[0])


def fewer(rows: list[dict[str, Any]]) -> None:
    del rows[0]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (other_target, "sample '1' has the right answer '3' in one and '4' in the other: these are logs of different data"),
        (other_ids, "share no sample id ('0' there, '100' here): nothing can be paired"),
        (repeated, "samples_b.jsonl line 7: sample '0' stands twice (first at samples_b.jsonl line 1): which of the two counts?"),
    ],
)
def test_logs_that_cannot_be_paired_say_why(edit: Callable[[list[dict[str, Any]]], None], message: str, tmp_path: Path) -> None:
    other = edited(MC, tmp_path / "samples_b.jsonl", edit)
    with pytest.raises(UserError) as error:
        imported([MC, other], tmp_path / "r", "image", "oracle", name="sums")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_samples_that_only_one_log_has_are_a_note(tmp_path: Path) -> None:
    other = edited(MC, tmp_path / "samples_b.jsonl", fewer)
    _, lines = imported([MC, other], tmp_path / "r", "image", "oracle", name="sums")
    assert f"{MC.name} and samples_b.jsonl: 1 samples are in {MC.name} only, and are not paired" in lines


def test_one_arm_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="both hold org/mock-2 in mode image"):
        imported([MC, edited(MC, tmp_path / "samples_sums_mc.jsonl", right)], tmp_path / "r", "image", model="org/mock-2")
    with pytest.raises(UserError, match="expected one mode, or one for each of the 1 files, found 2"):
        imported(MC, tmp_path / "r", "image", "blind")


def test_logs_of_different_data_never_pair_by_accident(tmp_path: Path) -> None:
    imported(MC, tmp_path / "a", "image", model="m")
    imported(edited(MC, tmp_path / "samples_sums_mc.jsonl", other_target), tmp_path / "b", "oracle", model="m")
    ids = [{record.puzzle for record in open_run(tmp_path / name).records()} for name in "ab"]
    assert len(ids[0] & ids[1]) == 5


# -- damaged files --
def partial(rows: list[dict[str, Any]]) -> None:
    rows[2]["acc"] = 0.5


def two_metrics(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row |= {"metrics": ["acc", "acc_norm"], "acc_norm": 0.0}


def emptied(rows: list[dict[str, Any]]) -> None:
    rows.clear()


def no_id(rows: list[dict[str, Any]]) -> None:
    del rows[1]["doc_id"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (partial, "line 3: the score is 0.5, which is neither right nor wrong: grade again with --grade ours"),
        (two_metrics, "several metrics say right or wrong (acc, acc_norm): choose one with --metric NAME"),
        (no_id, "line 2: expected a sample of lm-eval or lmms-eval"),
        (emptied, "is empty: expected a line for each sample"),
    ],
)
def test_a_damaged_file_of_samples(edit: Callable[[list[dict[str, Any]]], None], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        imported(edited(MC, tmp_path / "samples_x.jsonl", edit), tmp_path / "r")
    assert message in str(error.value)


def inspect_copy(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "log.json"
    path.write_text(json.dumps({**load_inspect_log(SUMS), **changes}))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 9}, "a log of version 9 of Inspect AI, and version 2 is read here"),
        ({"samples": []}, "the log holds no sample (status 'success')"),
        ({"eval": None}, "expected a log of Inspect AI, found other JSON"),
    ],
)
def test_a_log_of_another_version(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        imported(inspect_copy(tmp_path, **changes), tmp_path / "r")
    assert message in str(error.value)


def test_a_log_that_was_cut_short_or_limited_is_said(tmp_path: Path) -> None:
    log = load_inspect_log(SUMS)
    samples = [{**log["samples"][0], "error": {"message": "boom"}, "scores": None}, *log["samples"][1:]]
    about = {**log["eval"], "config": {"limit": 6}}
    records, lines = imported(inspect_copy(tmp_path, status="cancelled", samples=samples, eval=about), tmp_path / "r")
    assert records[0].verdict.outcome is Outcome.ERROR
    assert records[0].error is not None
    assert records[0].error.message == "boom"
    assert "log.json: the evaluation ended with status 'cancelled'" in lines
    assert "log.json: only some samples were asked (limit 6)" in lines
    assert open_run(tmp_path / "r").about["finished"] is False


def test_several_scores_are_asked_about(tmp_path: Path) -> None:
    log = load_inspect_log(SUMS)
    samples = [{**row, "scores": {**row["scores"], "judge": {"value": 0.0}}} for row in log["samples"]]
    path = inspect_copy(tmp_path, samples=samples)
    with pytest.raises(UserError, match=r"several scores \(choice, judge\): choose one with --metric"):
        imported(path, tmp_path / "r")
    records, _ = imported(path, tmp_path / "r", metric="judge")
    assert {record.verdict.outcome for record in records} == {Outcome.WRONG}


@pytest.mark.parametrize(
    ("name", "content"), [("a.eval", b"PK nonsense"), ("a.json", b"{"), ("a.xlsx", b"x"), ("a.txt", b""), ("a.tsv", b"a\tb\n1\t2\n")]
)
def test_a_file_that_is_no_log(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        imported(tmp_path / name, tmp_path / "r")
    assert name in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="there is no such file"):
        imported(tmp_path / "nowhere.json", tmp_path / "r")


def test_a_truncated_archive(tmp_path: Path) -> None:
    (tmp_path / "a.eval").write_bytes(SUMS.read_bytes()[:5000])
    with pytest.raises(UserError, match="cannot be read"):
        imported(tmp_path / "a.eval", tmp_path / "r")
    with zipfile.ZipFile(tmp_path / "b.eval", "w") as archive:
        archive.writestr("x.json", "{}")
    with pytest.raises(UserError, match="cannot be read"):
        imported(tmp_path / "b.eval", tmp_path / "r")


def test_records_of_imports_are_records(tmp_path: Path) -> None:
    records, _ = imported(MC, tmp_path / "r")
    assert [Record.from_json(record.to_json()) for record in records] == records
    assert len({record.key for record in records}) == 6
    moved = shutil.copytree(tmp_path / "r", tmp_path / "moved")
    assert [replace(record) for record in open_run(moved).records()] == records
