"""The HTML report without a browser: what is in the file, what it counts, how large it gets."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import os
import random
import re
import sys
import zlib
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench import publish
from bench.gap.document import Document
from bench.gap.make import gap_document
from bench.puzzle import puzzle_line as puzzle_line_of
from bench.report import verdict
from bench.report.html import page, thumbs, views
from bench.report.html.drilldown import CELL_CODES
from bench.report.html.grids import grids
from bench.report.html.links import link
from bench.report.html.material import read_material
from bench.report.html.page import render, write_html
from bench.report.html.thumbs import LEAST_SIDE, MAX_BYTES, SIDE, thumbnail
from bench.report.sources import CaptionFacts, Sources
from bench.store.run import open_runs
from tasks.kit.drawing import encode
from tasks.suites import SuiteSpec, load_suite
from tests.report.pages import MODES, puzzle_line, write_story

NASTY = "\"><img src=x onerror=alert(1)></script><script>alert(2)</script></script x<!--<script>{{ 7*7 }}{% raw %}\u202eevil\ud800'&lt;"


class Page(HTMLParser):
    """Elements of a page: (tag, attributes) in order, and the text of each script by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str | None, str] = {}
        self.styles: list[str] = []
        self._inside: tuple[str, str | None] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = (tag, dict(attrs).get("id")) if tag in ("script", "style") else self._inside

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[0] == "script":
            self.scripts[self._inside[1]] = self.scripts.get(self._inside[1], "") + data
        elif self._inside:
            self.styles.append(data)

    @property
    def index(self) -> Any:
        return json.loads(self.scripts["index"])

    @property
    def puzzles(self) -> list[Any]:
        """The unpacked puzzles, with their rows."""
        chunks = [text for name, text in self.scripts.items() if name and name.startswith("chunk-")]
        return [puzzle for text in chunks for puzzle in json.loads(zlib.decompress(base64.b64decode(text)))]


def pattern(model: str, number: int, mode: str) -> str:
    """An outcome for every cell, spread over the kinds."""
    return random.Random(f"{model} {number} {mode}").choices(["correct", "wrong", "unparsed", "error", "caption_failed"], [5, 4, 1, 1, 1])[
        0
    ]


def story(tmp_path: Path, n: int = 12, **more: Any) -> tuple[Document, list[Path]]:
    folders = [write_story(tmp_path / "run", [puzzle_line(number) for number in range(n)], **more)]
    return gap_document(open_runs(folders)), folders


def test_the_page_is_the_same_every_time_and_needs_nothing_else(tmp_path: Path) -> None:
    document, folders = story(tmp_path, outcome=pattern)
    page = render(document, open_runs(folders), publish.sources(document))
    assert page == render(document, open_runs(folders), publish.sources(document))
    for tag, attributes in Page(page).elements:
        assert tag not in ("iframe", "object", "embed", "base", "form" if "action" in attributes else "iframe")
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:,")), (tag, value)
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)


@pytest.mark.parametrize("state", ["kept", "damaged", "no place"])
def test_the_template_is_compiled_once_where_python_keeps_its_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    document, folders = story(tmp_path)
    expected = render(document, open_runs(folders))
    place = tmp_path / "kept"
    if state == "no place":
        place.touch()  # as good as a folder that cannot be written
    monkeypatch.setattr(sys, "pycache_prefix", str(place))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    compiled: list[object] = []
    compile_once = jinja2.Environment.compile
    monkeypatch.setattr(jinja2.Environment, "compile", lambda *a, **k: compiled.append(a) or compile_once(*a, **k))  # pyright: ignore
    for _ in range(2):
        page.environment.cache_clear()
        assert render(document, open_runs(folders)) == expected
        if state == "damaged":
            (found,) = place.rglob("*.cache")
            found.write_bytes(found.read_bytes()[:40])
    page.environment.cache_clear()
    assert len(compiled) == (1 if state == "kept" else 2)


def test_the_policy_names_the_very_script_and_style_of_the_page(tmp_path: Path) -> None:
    document, folders = story(tmp_path)
    page = Page(render(document, open_runs(folders)))
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for text, kind in ((page.scripts[None], "script"), ("".join(page.styles), "style")):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


@pytest.fixture(scope="session")
def one_puzzle(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return gap_document(open_runs([write_story(tmp_path_factory.mktemp("one") / "run", [puzzle_line(1)])]))


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(), max_size=200) | st.just(NASTY))
def test_any_text_comes_back_as_it_was_and_adds_no_element(
    tmp_path_factory: pytest.TempPathFactory, one_puzzle: Document, text: str
) -> None:
    folder = tmp_path_factory.mktemp("any") / "run"
    line = {**puzzle_line(1), "question": text, "description": text}
    write_story(folder, [line], text=lambda model, number, mode: text, caption=lambda model, number, mode: text or "-")
    page = Page(render(one_puzzle, open_runs([folder])))
    assert [tag for tag, _ in page.elements].count("script") == 4
    assert "img" not in [tag for tag, _ in page.elements]
    (puzzle,) = page.puzzles
    (row,) = puzzle["rows"]
    assert [puzzle["q"], puzzle["d"]] == [text, text]
    assert [trial.get("x") for trial in row["t"].values()] == [text] * len(MODES)


def test_names_with_markup_are_text(tmp_path: Path) -> None:
    name = NASTY.replace("\ud800", "")
    line = {**puzzle_line(1), "family": name, "suite": name, "answer": name, "options": [name, "b"]}
    folder = write_story(tmp_path / "run", [line], models=[name, "other"])
    document = gap_document(open_runs([folder]))
    text = render(document, open_runs([folder]), publish.sources(document))
    page = Page(text)
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("script"), tags.count("img")) == (4, 0)
    assert not any("<" in text for name, text in page.scripts.items() if name)
    assert "49" not in page.scripts["index"]
    assert page.index["models"] == [name, "other"]


def test_half_a_surrogate_pair_in_a_name_can_be_written(tmp_path: Path) -> None:
    document, folders = story(tmp_path, 1)
    document["models"][0]["name"] = "half \ud800"
    assert "half \ufffd" in render(document, open_runs(folders))


@pytest.mark.parametrize("modes", [(*MODES, "readback"), MODES, ("image", "oracle"), ("image",)])
def test_rows_are_the_cells_that_the_document_counts(tmp_path: Path, modes: tuple[str, ...]) -> None:
    document, folders = story(tmp_path, 60, models=["m", "n"], outcome=pattern, replicates=2, modes=modes)
    index = Page(render(document, open_runs(folders))).index
    rows = index["rows"]
    for place, model in enumerate(document["models"]):
        codes = [code for code, owner in zip(rows["a"], rows["m"], strict=True) if owner == place]
        assert {cell: codes.count(code) for cell, code in CELL_CODES.items()} == model["attribution"]
        for position, mode in enumerate(index["modes"]):
            outcomes = "".join(o[position] for o, owner in zip(rows["o"], rows["m"], strict=True) if owner == place)
            assert outcomes.count("c") == model["modes"][mode]["correct"]
            assert outcomes.count("e") == model["modes"][mode]["error"]


def test_a_model_with_two_captioners_is_two_models_with_shared_replies(tmp_path: Path) -> None:
    lines = [puzzle_line(number) for number in range(3)]
    folders = [write_story(tmp_path / "x", lines, captioner="x"), write_story(tmp_path / "y", lines, captioner="y", modes=["caption"])]
    page = Page(render(gap_document(open_runs(folders)), open_runs(folders)))
    assert page.index["models"] == ["m (captions: x/plain)", "m (captions: y/plain)"]
    assert page.index["rows"]["o"] == ["cccc"] * 6
    assert [len(row["c"]) for puzzle in page.puzzles for row in puzzle["rows"]] == [1] * 6


def test_lost_and_wrong_facts_of_a_caption_are_marked(tmp_path: Path) -> None:
    line = puzzle_line(3)
    hour = int(line["state"]["hour"])
    other = hour % 12 + 1
    facts = publish.caption_facts(line, f"Current time: {other}:{int(line['state']['minute']):02d}")
    assert facts == CaptionFacts(right=1, wrong=(("hour", str(hour), str(other)),), lost=(), recovered=False)
    nothing = publish.caption_facts(line, "a nice clock")
    assert nothing is not None
    assert (nothing.right, [slot for slot, _ in nothing.lost]) == (0, ["hour", "minute"])
    whole = publish.caption_facts(line, line["description"])
    assert whole == CaptionFacts(2, (), (), recovered=True)
    assert publish.caption_facts({**line, "state": None}, "x") is None
    folder = write_story(tmp_path / "run", [line], caption=lambda model, number, mode: "a nice clock")
    document = gap_document(open_runs([folder]))
    page = render(document, open_runs([folder]), publish.sources(document))
    (caption,) = Page(page).puzzles[0]["rows"][0]["c"]
    assert caption["f"] == [0, [], [list(pair) for pair in nothing.lost], False]


def test_generated_pictures_are_drawn_again_exactly_and_small_where_they_are_shown_small() -> None:
    for puzzle in load_suite(SuiteSpec("mini", n=1)).puzzles:
        found = publish.picture(puzzle_line_of(puzzle))
        assert isinstance(found, Image.Image)
        assert encode(found) == puzzle.image.data(), puzzle.family
    (puzzle,) = load_suite(SuiteSpec("algo", n=1), families=["clock"]).puzzles
    small = publish.picture(puzzle_line_of(puzzle), 100)
    assert isinstance(small, Image.Image)
    assert max(small.size) == 100
    assert publish.picture({"id": "no/such/puzzle"}) is None
    assert publish.picture({**puzzle_line_of(puzzle), "state": {"hour": "x"}}) is None


def test_pictures_of_public_sets_come_from_the_clone_one_by_one(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = load_suite(SuiteSpec("algopuzzlevqa"), data_dir=shared_data / "AlgoPuzzleVQA", families=["clock"], limit=1)
    (puzzle,) = suite.puzzles
    line = puzzle_line_of(puzzle)
    read: list[str] = []
    original = Path.read_bytes

    def watched(path: Path) -> bytes:
        read.append(path.name)
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", watched)
    assert publish.picture(line) is None
    for clone in (shared_data / "AlgoPuzzleVQA", shared_data):
        assert publish.picture(line, data_dir=clone) == puzzle.image.data()
    assert set(read) == {Path(puzzle.image.source).name}
    assert publish.picture({**line, "question": "another"}, data_dir=shared_data) is None, "another puzzle's picture is not shown"
    assert publish.picture({**line, "image": {"source": "../secret.png", "drawn": False}}, data_dir=shared_data) is None


@pytest.mark.parametrize(("mode", "size"), [("RGB", (1200, 700)), ("RGBA", (300, 900)), ("L", (40, 40)), ("P", (84, 84))])
def test_thumbnails_are_small_whatever_the_picture(mode: str, size: tuple[int, int]) -> None:
    noise = Image.frombytes("RGB", size, random.Random(1).randbytes(3 * size[0] * size[1])).convert(mode)
    out = io.BytesIO()
    noise.save(out, format="PNG")
    made = thumbnail(out.getvalue())
    assert made is not None
    data = base64.b64decode(made)
    assert len(data) <= MAX_BYTES
    with Image.open(io.BytesIO(data)) as small:
        assert small.format == "WEBP"
        assert max(small.size) <= SIDE
        assert abs(small.width / small.height - size[0] / size[1]) < 0.1


def test_a_large_jpeg_is_never_decoded_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((3200, 2400)).convert("RGB").save(out, format="JPEG")
    seen: list[tuple[int, int]] = []
    flat = thumbs._flat  # pyright: ignore[reportPrivateUsage]

    def watched(image: Image.Image) -> Image.Image:
        seen.append(image.size)
        return flat(image)

    monkeypatch.setattr(thumbs, "_flat", watched)
    assert thumbnail(out.getvalue()) is not None
    assert max(seen[0]) <= 800


@pytest.mark.parametrize("size", [(400, 300), (250, 640), (120, 90), (1600, 1200)])
def test_a_jpeg_stays_one_at_no_more_than_its_size(size: tuple[int, int]) -> None:
    out = io.BytesIO()
    Image.effect_noise((40, 40), 60).resize(size).convert("RGB").save(out, format="JPEG")
    made = thumbnail(out.getvalue())
    assert made is not None
    assert made.startswith("/9j/"), "how the page tells a JPEG from a WebP"
    with Image.open(io.BytesIO(base64.b64decode(made))) as small:
        assert small.format == "JPEG"
        assert min(LEAST_SIDE, max(size)) <= max(small.size) <= SIDE
        assert abs(small.width / small.height - size[0] / size[1]) < 0.03
    cut = thumbnail(out.getvalue(), 600)
    assert cut is not None
    with Image.open(io.BytesIO(base64.b64decode(cut))) as small:
        assert small.format == "WEBP", "a JPEG has 600 bytes of tables alone"
    assert len(base64.b64decode(cut)) <= 600


def test_no_thumbnail_of_what_is_no_picture() -> None:
    assert thumbnail(b"<svg onload=alert(1)>") is None


def heavy(model: str, number: int, mode: str) -> str:
    return _heavy(f"{number % 40} {mode}")


@cache
def _heavy(seed: str) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=1000))


WORDS = ["".join(random.Random(i).choices("etaoinshrdlu", k=1 + i % 9)) for i in range(3000)]


def test_1800_puzzles_in_four_modes_stay_under_30_mb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the worst case: thumbnails as large as allowed, replies of about 6,000 characters that hardly compress
    def largest(_: bytes, bound: int) -> str:
        return base64.b64encode(os.urandom(min(bound, MAX_BYTES))).decode()

    monkeypatch.setattr(thumbs, "thumbnail", largest)
    document, folders = story(tmp_path, 1800, text=heavy)
    size = write_html(document, open_runs(folders), tmp_path / "report.html", Sources(picture=lambda _, __: b"x"))
    print(f"\n1,800 x 4, long replies: {size / 1e6:.1f} MB")
    assert size == (tmp_path / "report.html").stat().st_size < 30_000_000
    page = Page((tmp_path / "report.html").read_text())
    assert len(page.index["rows"]["p"]) == 1800
    assert "texts are cut after" in (tmp_path / "report.html").read_text()
    assert "[cut here: " in page.puzzles[0]["rows"][0]["t"]["0"]["x"]


def long(model: str, number: int, mode: str) -> str:
    return "long " * 100_000


def test_replies_that_fit_are_never_cut(tmp_path: Path) -> None:
    document, folders = story(tmp_path, 2, text=long)
    page = Page(render(document, open_runs(folders)))
    assert all(trial["x"] == long("", 0, "") for puzzle in page.puzzles for row in puzzle["rows"] for trial in row["t"].values())


def test_many_models_render_and_say_what_is_left_out(tmp_path: Path) -> None:
    document, folders = story(tmp_path, 4, models=[f"model {i}" for i in range(60)], outcome=pattern)
    page = render(document, open_runs(folders))
    assert "48 more models" in page
    assert all(f">model {i}</th>" in page for i in range(60))
    assert len(page.encode()) < 30_000_000


def test_an_even_share_of_the_families_is_kept(tmp_path: Path) -> None:
    lines = [puzzle_line(number, name=name) for name in ("clock", "maze", "n_queens") for number in range(10)]
    folder = write_story(tmp_path / "run", lines)
    material = read_material(open_runs([folder]), max_trials=4 * 6)
    assert [line["family"] for line in material.puzzles.values()] == ["clock"] * 2 + ["maze"] * 2 + ["n_queens"] * 2
    assert (material.total, sum(entry.replies for entry in material.spending)) == (30, 120)
    assert len(read_material(open_runs([folder]), max_trials=1).puzzles) == 1


def failed(model: str, number: int, mode: str) -> str:
    return "error"


def test_what_is_lacking_is_said(tmp_path: Path) -> None:
    document, folders = story(tmp_path, 1, modes=["image"], outcome=failed)
    (folders[0] / "puzzles.jsonl").unlink()
    (folders[0] / "captions.jsonl").unlink()
    page = render(document, open_runs(folders))
    assert "has no verdict" in page
    assert "date not on record" in page
    assert "1 puzzle," in page
    assert Page(page).index["rows"]["o"] == ["e"]
    empty: Document = {**document, "models": []}
    assert "No model has a finished trial." in render(empty, open_runs(folders))


@pytest.mark.parametrize(
    ("reported", "said"),
    [
        ({"openai/m": ["m-2024-05-13"]}, ""),  # what was asked for
        ({"openai/m": ["m-2024-05-13", "somebody/else-1b"]}, "openai/m = somebody/else-1b"),
        ({"openai/other": ["other-2"]}, "openai/other = other-2"),
        (["m-2024-05-13", "somebody/else-1b"], "somebody/else-1b"),  # an earlier version's
    ],
)
def test_ids_that_nobody_asked_for_are_shown(reported: Any, said: str, tmp_path: Path) -> None:
    document, _ = story(tmp_path, 1)
    run: Any = {**document["runs"][0], "model_ids": {"openai/m": "m-2024-05-13"}, "reported": reported}
    assert dict(views.asked({**document, "runs": [run]})).get("reported by the provider", "") == said


def test_sections_that_the_document_gains_are_shown(tmp_path: Path) -> None:
    document, folders = story(tmp_path, 2)
    more: Any = {
        **document,
        "by_hand": {"n": 3, "share": 0.25, "by mode": {"image": {"n": 1}, "oracle": {"n": 2}}},
        "new_thing": [{"a": NASTY}],
    }
    more["models"] = [{**model, "new_measure": {"n": 7}} for model in more["models"]]
    page = render(more, open_runs(folders))
    assert "<summary>New thing</summary>" in page
    assert "<summary>By hand</summary>" in page
    assert "m: further measures" in page
    assert "<img" not in page


def test_grids_word_the_shapes_of_the_document() -> None:
    gap = {"n": 4, "delta": 0.25, "ci": [0.1, 0.4], "p": 0.01, "mde": None}
    mode = {"accuracy": 0.5, "ci": [0.4, 0.6], "n": 9}
    (grid,) = grids("x", {"a": {"gap": gap, "mode": mode}, "b": {"gap": {**gap, "delta": None, "ci": None, "why": "no pairs"}}})
    assert list(grid.header) == ["", "gap", "mode"]
    assert [list(row) for row in grid.rows] == [["a", "+25.0 [+10.0, +40.0]", "50.0 [40.0, 60.0]"], ["b", "no pairs", "-"]]


json_data = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(json_data)
def test_any_section_makes_regular_tables(value: Any) -> None:
    for grid in grids("", value):
        assert all(len(row) == len(grid.header) for row in grid.rows)


def test_no_path_is_in_the_page(tmp_path: Path) -> None:
    document, folders = story(tmp_path, 1)
    assert str(tmp_path) not in render(document, open_runs(folders))


def test_the_first_screen_says_how_and_when_it_was_asked(tmp_path: Path) -> None:
    document, folders = story(tmp_path, 4, modes=(*MODES, "readback"))
    run = document["runs"][0]
    run.update(started="2026-11-25T10:00:00+00:00", temperature=0.7, prompts={"solve": "0123456789abcdef"}, model_ids={"m": "m@5f2c"})
    top = render(document, open_runs(folders)).partition("<main>")[0]
    for fact in ("2026-11-25", "<b>temperature</b> 0.7", "solve 01234567", "m = m@5f2c", document["suite"]["sha256"][:12]):
        assert fact in top
    assert verdict.sentence(document["models"][0]) in html.unescape(top)
    square = verdict.square(document["models"][0]["diagnosis"])
    assert square is not None
    assert all(f">{number}<" in top for number in (*square.own, *square.true))
    assert all(f"<b>{mode}</b> shows" in top for mode in document["models"][0]["modes"])


def test_what_changed_between_models_is_open_and_families_keep_one_order(tmp_path: Path) -> None:
    lines = [puzzle_line(number, name=name) for name in ("n_queens", "clock", "maze") for number in range(6)]
    folder = write_story(tmp_path / "run", lines, models=["m", "n"], outcome=pattern)
    page = render(gap_document(open_runs([folder])), open_runs([folder]))
    changed = page[page.index('<section id="changes"') : page.index('<section id="diagnosis"')]
    assert "<details" not in changed
    assert "n against m" in changed
    families = page[page.index('<section id="families"') : page.index('<section id="captions"')]
    order = re.findall(r'<th scope="row">(\w+)', families)
    names = [name for name in order if name in ("clock", "maze", "n_queens")]
    assert names == ["clock", "maze", "n_queens"] * 2
    assert len(re.findall(r"<small>\[[\d., ]+\] n \d+</small>", families)) >= 2 * 3 * 4


def test_control_characters_of_a_name_do_not_reach_the_page(tmp_path: Path) -> None:
    folder = write_story(tmp_path / "run", [puzzle_line(1)], models=["a\x1b[31m\x07\u202eb\x9b"])
    page = render(gap_document(open_runs([folder])), open_runs([folder]))
    assert not set(page) & {"\x1b", "\x07", "\u202e", "\x9b"}


def test_a_link_names_what_it_asks_for() -> None:
    assert link(puzzle="algo/clock/3f", of="a&b=c") == "#?puzzle=algo/clock/3f&of=a%26b=c"
    assert link(model=None, cell="own_words") == "#?cell=own_words"
    with pytest.raises(ValueError, match="colour"):
        link(colour="red")
