"""Suites of the user's own: every format says the same, and every mistake is one line that names file, line and column."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import publish
from bench.errors import BadDataError, UserError
from tasks.custom.columns import parse_columns
from tasks.tools.linter import lint
from tasks.tools.verify import Unsolved, solved_label
from tests.tasks.own import asked, base64_png, charts, load, png, write_lines, write_sheet

datasets: Any = __import__("datasets")


def as_lines(folder: Path) -> Path:
    write_lines(folder / "rows.jsonl", charts(folder))
    return folder


def as_csv(folder: Path) -> Path:
    return write_sheet(folder / "rows.csv", charts(folder))


def as_tsv_with_letters(folder: Path) -> Path:
    rows = [
        {"index": number, **dict(zip("ABCD", row["options"], strict=True)), **row, "answer": "ABCD"[row["options"].index(row["answer"])]}
        for number, row in enumerate(charts(folder))
    ]
    return write_sheet(folder / "rows.tsv", [{k: v for k, v in row.items() if k not in ("options", "index")} for row in rows])


def as_excel(folder: Path) -> Path:
    import pandas as pd

    rows = [{**row, "options": json.dumps(row["options"])} for row in charts(folder)]
    pd.DataFrame(rows).to_excel(folder / "rows.xlsx", index=False)  # pyright: ignore[reportUnknownMemberType]
    return folder / "rows.xlsx"


def table(folder: Path) -> Any:
    rows = charts(folder)
    made = datasets.Dataset.from_list([{**row, "image": {"bytes": (folder / row["image"]).read_bytes(), "path": None}} for row in rows])
    return made.cast_column("image", datasets.Image())


def as_parquet(folder: Path) -> Path:
    table(folder).to_parquet(folder / "rows.parquet")
    shutil.rmtree(folder / "pics")
    return folder / "rows.parquet"


def as_saved(folder: Path) -> Path:
    datasets.DatasetDict({"eval": table(folder)}).save_to_disk(str(folder / "saved"))
    return folder / "saved"


def as_index(folder: Path) -> Path:
    rows = [
        {**row, "answer": row["options"].index(row["answer"]), "options": [f"{o} bars" for o in row["options"]]} for row in charts(folder)
    ]
    return write_lines(folder / "index.jsonl", rows)


@pytest.mark.parametrize("write", [as_csv, as_tsv_with_letters, as_excel, as_parquet, as_saved])
def test_every_format_asks_the_same(write: Callable[[Path], Path], tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    one, other = load(as_lines(tmp_path / "a")), load(write(tmp_path / "b"))
    assert asked(one) == asked(other)
    assert [puzzle.id.split("/", 1)[1] for puzzle in one.puzzles] == [puzzle.id.split("/", 1)[1] for puzzle in other.puzzles]
    assert one.captions
    assert other.captions


def test_the_hub_is_read_by_datasets_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "org" / "name" / "data"
    repository.mkdir(parents=True)
    for split in ("train", "test"):
        table(tmp_path).to_parquet(repository / f"{split}-00000-of-00001.parquet")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"name one split \(as \"org/name:split=NAME\"\): found test, train"):
        load("hub:org/name")
    suite = load("hub:org/name:split=test")
    assert (suite.name, len(suite.puzzles), {p.split for p in suite.puzzles}) == ("org--name", 4, {"test"})
    with pytest.raises(UserError, match="there is no split 'tset' \\(did you mean 'test'\\?\\)"):
        load("hub:org/name:split=tset")


def test_a_report_asks_nothing_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sent the run chose the name of the data set."""
    asked: list[str] = []

    def reached(*_: object, **named: str) -> None:
        asked.append(named["repo_id"])
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.HfApi.hf_hub_download", reached)
    shown = publish.pictures([{"suite": "hub:no-such/data-set"}])
    assert shown({"id": "p", "suite": "no-such--data-set", "image": {"drawn": False}}) is None
    assert asked == []
    with pytest.raises(UserError, match="no network"):
        load("hub:no-such/data-set")
    assert asked == ["no-such/data-set"]


def test_a_hub_that_is_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(seconds: float) -> None:
        """Between two tries."""

    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", at_once)
    with pytest.raises(UserError, match="hub:no-such/data-set cannot be loaded"):
        load("hub:no-such/data-set")
    with pytest.raises(UserError, match="expected hub:ORG/NAME"):
        load("hub:name")


def test_columns_are_named_on_the_command_line_or_in_suite_toml(tmp_path: Path) -> None:
    plain = load(write_lines(tmp_path / "plain.jsonl", charts(tmp_path)))
    rows = [
        {
            "file": row["image"],
            "q": row["question"],
            "truth": row["answer"],
            "a1": "3",
            "a2": "4",
            "a3": "5",
            "a4": "6",
            "topic": row["family"],
        }
        for row in charts(tmp_path)
    ]
    (tmp_path / "named").mkdir()
    charts(tmp_path / "named")
    write_lines(tmp_path / "named" / "x.jsonl", rows)
    named = "image=file,question=q,answer=truth,options=a1+a2+a3+a4,family=topic"
    suite = load(tmp_path / "named", columns=parse_columns(named))
    assert [row[:3] for row in asked(suite)] == [row[:3] for row in asked(plain)]
    lines = [
        'name = "my charts"',
        'data = "x.jsonl"',
        "[columns]",
        *(f'{part.replace("=", " = ", 1).split(" = ")[0]} = "{part.split("=")[1]}"' for part in named.split(",")),
    ]
    (tmp_path / "named" / "suite.toml").write_text("\n".join(lines))
    again = load(tmp_path / "named")
    assert again.name == "my-charts"
    assert asked(again) == asked(suite)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colums = 1", "unknown key 'colums' (did you mean 'columns'?)"),
        ("[columns]\nimag = 'x'", "unknown field 'imag' (did you mean 'image'?)"),
        ("answer_is = 'place'", "answer_is: expected one of text, letter, index, number"),
        ("name = 3", "name: expected text, found 3"),
        ("data = 'other.jsonl'", "data: 'other.jsonl' is not in the folder"),
        ("name = ", "cannot be read"),
    ],
)
def test_a_suite_toml_with_a_mistake(text: str, message: str, tmp_path: Path) -> None:
    (as_lines(tmp_path) / "suite.toml").write_text(text)
    with pytest.raises(UserError) as error:
        load(tmp_path)
    assert message in str(error.value)
    assert "suite.toml" in str(error.value)


def changed(**cells: Any) -> Callable[[list[dict[str, Any]]], None]:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[2].update(cells)

    return change


def without(name: str) -> Callable[[list[dict[str, Any]]], None]:
    def change(rows: list[dict[str, Any]]) -> None:
        del rows[2][name]

    return change


def twice(rows: list[dict[str, Any]]) -> None:
    for number, row in enumerate(rows):
        row["id"] = f"q{number % 3}"


BAD: list[tuple[Callable[[list[dict[str, Any]]], None], str, str]] = [
    (changed(answer="7"), "line 3: answer: '7' is not among the options ('3', '4', '5', '6')", "answer"),
    (changed(answer=None), "line 3: answer: expected text or a number, found nothing", "answer"),
    (without("question"), "line 3: question: expected text, found nothing", "row"),
    (changed(question=5), "line 3: question: expected text, found 5", "row"),
    (changed(question="\ud800"), "line 3: question: holds half a character", "row"),
    (changed(options="3;4;5"), "line 3: options: expected a list of options such as", "row"),
    (changed(options=["3"]), "line 3: options: expected 2 to 26 options, found 1", "row"),
    (changed(options=["5", "5"]), "line 3: options: option '5' stands twice", "row"),
    (changed(options=["5", {"x": 1}]), "line 3: options: expected text or a number", "row"),
    (changed(image="pics/none.png"), "line 3: image: pics/none.png: image cannot be read (No such file", "image"),
    (changed(image="../2.png"), "line 3: image: '../2.png' leads out of the data directory", "image"),
    (changed(image="https://example.com/a.png"), "line 3: image: 'https://example.com/a.png' is an address", "image"),
    (changed(image=["pics/1.png", "pics/2.png"]), "line 3: image: 2 pictures in one question; map them as --columns images=image", "image"),
    (changed(image="rows.jsonl"), "line 3: image: rows.jsonl: not a readable image", "image"),
    (changed(image="data:image/png;base64,xx!"), "line 3: image: not base64", "image"),
    (changed(image=None), "line 3: image: expected a picture (a path, base64 or bytes), found nothing", "image"),
    (changed(level=9), "line 3: level: expected 1 to 5, found 9", "row"),
    (changed(state={"hour": 1}), "line 3: state: 'bars' is not a registered family", "row"),
    (changed(family="clock", state={"hour": "x"}), "line 3: state: ", "row"),
    (twice, "line 4: id: 'q0' stands twice (first in rows.jsonl line 1)", "row"),
]


@pytest.mark.parametrize(("change", "message", "code"), BAD)
def test_a_bad_row_names_file_line_and_column_and_can_be_skipped(
    change: Callable[[list[dict[str, Any]]], None], message: str, code: str, tmp_path: Path
) -> None:
    rows = charts(tmp_path)
    change(rows)
    path = write_lines(tmp_path / "rows.jsonl", rows)
    with pytest.raises(BadDataError) as error:
        load(path)
    assert "\n" not in str(error.value)
    assert f"1 row of 4 cannot be used: rows.jsonl {message}" in str(error.value)
    suite = load(path, skip_bad=True)
    assert len(suite.puzzles) == 3
    assert [problem.code for problem in suite.problems] == [code]
    assert lint(suite.puzzles, suite.problems, suite.rows).found


def test_fifty_megabytes_of_one_line(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", charts(tmp_path))
    with path.open("a") as file:
        file.write('{"question": "' + "x" * 50_000_000 + '"}\n')
    with pytest.raises(BadDataError, match=r"1 row of 5 cannot be used: rows.jsonl line 5: line: expected at most 32,000,000 bytes"):
        load(path)
    sheet = tmp_path / "rows.csv"
    sheet.write_text("x" * 50_000_000)
    with pytest.raises(UserError) as error:
        load(sheet)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as a sheet (No columns to parse from file)"),
        (b"image,question,answer\n", "is empty: expected a row for each question"),
        (b"image,question,answer\na,b,c,d,e\n", "cannot be read as a sheet"),
        (b"image,question,answer\na,b,c\na,b,c,d\n", "Expected 3 fields in line 3, saw 4"),
        (b'image,question,answer\n"a,b,c\n', "cannot be read as a sheet"),
        (b"\xff\xfe\x00image", "cannot be read as a sheet"),
        (b"image,questoin,answer\na,b,c\n", "there is no column 'question' (did you mean 'questoin'?); say which with --columns"),
        (b"picture,question,answer\na,b,c\n", "there is no column 'image'; say which with --columns image=COLUMN: found picture"),
    ],
)
def test_a_sheet_that_is_none(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        load(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_line_is_counted_as_an_editor_counts_it(tmp_path: Path) -> None:
    rows = charts(tmp_path)
    rows[0]["question"] = "How many\nbars\nare there?"
    rows[3]["answer"] = "none"
    path = write_sheet(tmp_path / "rows.csv", rows)
    text = path.read_text()
    path.write_text(text.replace("pics/2", "\npics/2"))  # and a blank line
    number = next(number for number, line in enumerate(path.read_text().splitlines(), 1) if line.startswith("pics/3"))
    with pytest.raises(BadDataError, match=rf"rows.csv line {number}: answer: 'none'"):
        load(path)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nowhere.csv", "does not exist: expected a file"),
        ("rows.txt", "expected a file that ends in"),
        ("rows.json", "write one JSON object a line"),
        ("rows.parquet", "cannot be loaded"),
    ],
)
def test_a_path_that_is_no_table(what: str, message: str, tmp_path: Path) -> None:
    if "nowhere" not in what:
        (tmp_path / what).write_text("{}")
    with pytest.raises(UserError, match=message):
        load(tmp_path / what)


def test_a_folder_of_several_tables_asks_which(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", charts(tmp_path))
    write_lines(tmp_path / "b.jsonl", charts(tmp_path))
    with pytest.raises(UserError, match=r"found several \(a.jsonl, b.jsonl\): name one"):
        load(tmp_path)
    with pytest.raises(UserError, match="found none"):
        load(tmp_path / "pics")


def test_an_unknown_suite_and_family_are_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown suite 'puzzelvqa' \(did you mean 'puzzlevqa'\?\)"):
        load("puzzelvqa")
    with pytest.raises(UserError, match=r"no family 'bar' \(did you mean 'bars'\?\)"):
        load(as_lines(tmp_path), families=["bar"])
    with pytest.raises(UserError, match=r"no family 'clok' \(did you mean 'clock'\?\)"):
        load("algo", families=["clok"])


def test_a_name_of_ours_is_not_taken(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "mini.jsonl", charts(tmp_path))
    with pytest.raises(UserError, match="'mini' is taken"):
        load(path)


def test_families_limit_and_split(tmp_path: Path) -> None:
    rows = [{**row, "split": ("dev", "test")[number // 4]} for number, row in enumerate(charts(tmp_path, 8))]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    assert len(load(path, families=["bars"]).puzzles) == 4
    assert [puzzle.family for puzzle in load(path, limit=1).puzzles] == ["bars", "lines"]
    assert {puzzle.split for puzzle in load(f"{path}:split=test,n=1").puzzles} == {"test"}
    with pytest.raises(UserError, match=r"no row of split 'tst' \(did you mean 'test'\?\)"):
        load(f"{path}:split=tst")
    with pytest.raises(UserError, match=r"suite parameter 'spilt' is unknown \(did you mean 'split'\?\)"):
        load(f"{path}:spilt=test")


# -- answers --
def test_an_index_and_a_letter_name_an_option(tmp_path: Path) -> None:
    assert [puzzle.answer for puzzle in load(as_index(tmp_path)).puzzles] == ["3 bars", "4 bars", "5 bars", "6 bars"]
    rows = [{**row, "answer": f"({'ABCD'[row['options'].index(row['answer'])]})"} for row in charts(tmp_path)]
    assert [puzzle.answer for puzzle in load(write_lines(tmp_path / "l.jsonl", rows)).puzzles] == ["3", "4", "5", "6"]


def test_answers_that_may_be_read_in_two_ways_are_asked_about(tmp_path: Path) -> None:
    rows = [{**row, "options": ["3", "2", "1", "0"], "answer": number % 4} for number, row in enumerate(charts(tmp_path))]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    with pytest.raises(UserError, match="name options both by text and by place"):
        load(path)
    for reading, first in (("text", "0"), ("index", "3")):
        (tmp_path / "suite.toml").write_text(f'answer_is = "{reading}"')
        assert load(path).puzzles[0].answer == first


def test_letters_come_first_where_options_lie_by_letter(tmp_path: Path) -> None:
    rows = [{**row, "A": "B", "B": "C", "C": "A", "answer": "A"} for row in charts(tmp_path)]
    for row in rows:
        del row["options"]
    assert {puzzle.answer for puzzle in load(write_sheet(tmp_path / "rows.csv", rows)).puzzles} == {"B"}


def test_fewer_options_and_open_questions(tmp_path: Path) -> None:
    rows = [{"image": row["image"], "question": row["question"], "A": "yes", "B": "no", "C": "", "answer": "B"} for row in charts(tmp_path)]
    rows[0] |= {"A": "", "B": "", "answer": "17"}
    suite = load(write_sheet(tmp_path / "rows.csv", rows))
    assert [(puzzle.options, puzzle.answer) for puzzle in suite.puzzles[:2]] == [((), "17"), (("yes", "no"), "no")]
    assert not [finding for finding in lint(suite.puzzles).findings if finding.code in ("few-options", "answer-missing")]
    rows[1]["A"] = ""
    with pytest.raises(BadDataError, match=r"rows\.csv line 3: A: expected an option, found nothing, while B has one"):
        load(write_sheet(tmp_path / "rows.csv", rows))


# -- pictures --
def test_the_layout_of_vlmevalkit(tmp_path: Path) -> None:
    """Base64 pictures, letters, a hint, and a row that names another row's picture by its index."""
    rows = [
        {
            "index": 7,
            "image": base64_png(1),
            "question": "What?",
            "hint": "Look.",
            "A": "x",
            "B": "y",
            "C": "",
            "D": "",
            "answer": "B",
            "category": "logic",
        },
        {
            "index": 8,
            "image": "7",
            "question": "And now?",
            "hint": "",
            "A": "x",
            "B": "y",
            "C": "z",
            "D": "w",
            "answer": "D",
            "category": "logic",
        },
    ]
    suite = load(write_sheet(tmp_path / "Set.tsv", rows))
    first, second = suite.puzzles
    assert (first.question, first.options, first.answer, first.family) == ("Look.\nWhat?", ("x", "y"), "y", "logic")
    assert second.answer == "w"
    assert first.image.info == second.image.info
    assert first.id.startswith("Set/logic/7-")


@pytest.mark.parametrize("held", ["bytes", "base64", "url", "path"])
def test_however_a_picture_is_held_it_is_the_same(held: str, tmp_path: Path) -> None:
    import base64

    data = png(3, 60)
    (tmp_path / "p.png").write_bytes(data)
    text = base64.b64encode(data).decode()
    cell = {"bytes": data, "base64": text, "url": f"data:image/png;base64,{text}", "path": "p.png"}[held]
    row = {"image": cell, "question": "What?", "answer": "red"}
    if held == "bytes":
        datasets.Dataset.from_list([row]).to_parquet(tmp_path / "rows.parquet")
        suite = load(tmp_path / "rows.parquet")
    else:
        suite = load(write_lines(tmp_path / "rows.jsonl", [row]))
    assert suite.puzzles[0].image.data() == data


def test_several_pictures_are_sent_in_order_where_images_is_mapped(tmp_path: Path) -> None:
    rows = charts(tmp_path)
    for row in rows:
        row["image"] = ["pics/1.png", "pics/0.png", "pics/3.png"]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    suite = load(path, columns={"images": "image"})
    expected = [(tmp_path / "pics" / f"{number}.png").read_bytes() for number in (1, 0, 3)]
    assert [image.data() for image in suite.puzzles[0].pictures] == expected
    rows[0]["image"] = ["pics/0.png", "pics/1.png", "pics/3.png"]
    other = load(write_lines(path, rows), columns={"images": "image"})
    assert other.puzzles[0].id != suite.puzzles[0].id, "the order of the pictures is part of the question"


def test_readback_where_a_registered_family_made_the_puzzle(tmp_path: Path) -> None:
    clock = load("algo", families=["clock"], limit=1).puzzles[0]
    (tmp_path / "c.png").write_bytes(clock.image.data())
    row = {"image": "c.png", "question": clock.question, "options": list(clock.options), "answer": clock.answer, "family": "clock"}
    path = write_lines(tmp_path / "rows.jsonl", [{**row, "state": dict(clock.state or {})}])
    puzzle = load(path).puzzles[0]
    assert puzzle.state == clock.state
    assert solved_label(puzzle) == clock.answer
    assert isinstance(solved_label(load(write_lines(path, [row])).puzzles[0]), Unsolved)
