"""The HTML report in a real headless Chromium: it opens from disk, filters, takes keys, and nothing that a model wrote comes alive."""

from __future__ import annotations

import random
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bench import publish
from bench.gap.document import Document
from bench.gap.make import gap_document
from bench.report.html import thumbs
from bench.report.html.links import link
from bench.report.html.page import write_html
from bench.report.sources import CaptionFacts, Sources
from bench.store.run import open_runs
from tests.report.pages import MODES, puzzle_line, write_story

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: run  make browser")

ATTACKS = (
    "<script>window.hit=1</script>",
    "<svg onload=window.hit=1><img src=x onerror=window.hit=1>",
    "[link](javascript:window.hit=1) javascript:window.hit=1",
    "</script><script>window.hit=1</script></pre></article>",
    "<!--<script>",
    "{{ 7*7 }}{% raw %}${window.hit=1}",
    "\"><img src=x onerror=alert(1)>",
    "'onfocus='window.hit=1' autofocus x='",
    "\u202eright to left \u0645\u0631\u062d\u0628\u0627 \U0001f9e9",
)  # fmt: skip
NAME = ATTACKS[6]


@dataclass
class Sheet:
    """An open report and all that went wrong in it."""

    page: Page
    trouble: list[str] = field(default_factory=list[str])

    def count(self) -> int:
        """How many rows the filters leave."""
        expect(self.page.locator("#count")).not_to_contain_text("searching")
        return int(self.page.locator("#count").inner_text().split(" ")[0].replace(",", ""))

    def leaves(self, count: int) -> None:
        """Wait until the filters leave `count` rows (the page's own policy forbids waiting by script)."""
        expect(self.page.locator("#count")).to_have_text(re.compile(f"^{count} of "))

    def detail(self) -> str:
        return self.page.locator("#detail").inner_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()


def opened(browser: Browser, path: Path, *, width: int = 1280, dark: bool = False, fragment: str = "") -> Sheet:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    sheet = Sheet(context.new_page())
    sheet.page.on("console", lambda message: sheet.trouble.append(message.text))
    sheet.page.on("pageerror", lambda error: sheet.trouble.append(str(error)))
    sheet.page.on("dialog", lambda dialog: sheet.trouble.append(dialog.message))
    sheet.page.on("request", lambda request: sheet.trouble.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    sheet.page.goto(path.as_uri() + (f"#{fragment}" if fragment else ""))
    sheet.page.wait_for_selector("#detail h3")
    return sheet


def outcome(model: str, number: int, mode: str) -> str:
    return random.Random(f"{model} {number} {mode}").choice(["correct", "correct", "wrong", "unparsed"])


@dataclass(frozen=True)
class Report:
    path: Path
    document: Document


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Two models on 60 puzzles of two families."""
    folder = tmp_path_factory.mktemp("report")
    lines = [puzzle_line(number, name=name) for name in ("clock", "n_queens") for number in range(30)]
    run = write_story(
        folder / "run", lines, models=["alpha", "beta"], outcome=outcome,
        text=lambda model, number, mode: f"needle{number}x from {model} in {mode}",
        caption=lambda model, number, mode: lines[number]["description"] if number % 3 else "nothing to see",
    )  # fmt: skip
    document = gap_document(open_runs([run]))
    write_html(document, open_runs([run]), folder / "report.html", publish.sources(document))
    return Report(folder / "report.html", document)


def test_filters_show_exactly_what_they_say(browser: Browser, report: Report) -> None:
    sheet = opened(browser, report.path)
    page, models = sheet.page, report.document["models"]
    assert sheet.count() == 120
    page.select_option("#f-model", label="beta")
    sheet.leaves(60)
    page.select_option("#f-cell", label="right with its own words")
    sheet.leaves(models[1]["attribution"]["own_words"])
    page.click("button[type=reset]")
    sheet.leaves(120)
    page.select_option("#f-model", label="alpha")
    page.select_option("#f-family", label="clock")
    page.select_option("#f-mode", label="caption")
    page.select_option("#f-outcome", label="wrong")
    caption = models[0]["families"]["clock"]["modes"]["caption"]
    sheet.leaves(caption["wrong"])
    page.select_option("#f-outcome", label="not correct")
    sheet.leaves(caption["n"] - caption["correct"])
    assert sheet.trouble == []


def test_search_reads_every_text(browser: Browser, report: Report) -> None:
    sheet = opened(browser, report.path)
    sheet.page.fill("#f-text", "NEEDLE7x from alpha")
    sheet.leaves(1)
    sheet.page.press("#f-text", "Enter")
    sheet.page.keyboard.press("j")
    sheet.page.keyboard.press("Enter")
    expect(sheet.page.locator("#detail")).to_contain_text("needle7x from alpha")
    assert all(f"needle7x from alpha in {mode}" in sheet.detail() for mode in MODES)
    sheet.page.fill("#f-text", "no such words anywhere")
    sheet.leaves(0)
    assert sheet.page.locator(".row").count() == 0
    assert sheet.trouble == []


def test_one_puzzle_shows_all_that_is_known_of_it(browser: Browser, report: Report) -> None:
    sheet = opened(browser, report.path)
    text = sheet.detail()
    line, chosen = puzzle_line(0), ["\u2190", "image,", "caption,", "oracle,", "blind"]
    assert line["question"] in text
    assert line["description"] in text
    assert sheet.page.locator(".options .gold").inner_text().split() == ["A.", line["answer"], "\u2713", "right", "answer", *chosen]
    assert "\u2205 lost hour" in text
    assert "0 facts right, 0 wrong, 2 lost; the picture cannot be rebuilt" in text
    assert "not read" not in text
    assert sheet.page.locator("#detail .reply").count() == len(MODES)
    widths = sheet.page.evaluate("Promise.all([...document.images].map((image) => image.decode().then(() => image.naturalWidth)))")
    assert widths
    assert min(widths) == 84
    assert sheet.trouble == []


def test_the_list_holds_only_what_is_in_view(browser: Browser, report: Report) -> None:
    sheet = opened(browser, report.path)
    assert 5 < sheet.page.locator(".row").count() < 40
    sheet.page.focus("#list")
    sheet.page.keyboard.press("End")
    assert sheet.page.locator("[aria-selected=true]").get_attribute("aria-posinset") == "120"


def test_everything_can_be_done_by_keyboard(browser: Browser, report: Report) -> None:
    sheet = opened(browser, report.path)
    page = sheet.page
    focused = "document.activeElement.id || document.activeElement.className"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "skip"
    assert page.locator(".skip").bounding_box() is not None
    page.keyboard.press("/")
    assert page.evaluate(focused) == "f-text"
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == "list"
    first = page.locator("#detail").get_attribute("data-row")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    assert page.locator("#list").get_attribute("aria-activedescendant") == "row-1"
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_focused()
    assert page.locator("#detail").get_attribute("data-row") != first
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == "list"
    for role in ("listbox", "option", "search", "img"):
        assert page.locator(f"[role={role}]").count(), role
    assert page.evaluate("[...document.querySelectorAll('select, input')].every((field) => field.labels.length === 1)")
    assert sheet.trouble == []


def test_numbers_in_the_tables_lead_to_their_puzzles(browser: Browser, report: Report) -> None:
    sheet = opened(browser, report.path)
    sheet.page.locator(f"#cells a[href='{link(model='beta', cell='own_words')}']").click()
    sheet.leaves(report.document["models"][1]["attribution"]["own_words"])
    assert sheet.page.input_value("#f-model") == "beta"
    sheet.page.locator(f"#families a[href='{link(model='alpha', family='clock', mode='caption')}']").click()
    sheet.leaves(report.document["models"][0]["families"]["clock"]["modes"]["caption"]["n"])
    assert sheet.page.input_value("#f-cell") == ""
    assert sheet.trouble == []


def test_a_filter_opens_its_first_puzzle_and_keeps_one_that_fits(browser: Browser, report: Report) -> None:
    sheet = opened(browser, report.path)
    page = sheet.page
    expect(page.locator("#detail")).to_have_attribute("data-row", "0")
    page.select_option("#f-family", label="n_queens")
    expect(page.locator("#detail h3")).to_contain_text("n_queens")
    first = page.locator("#detail").get_attribute("data-row")
    expect(page.locator("[aria-selected=true]")).to_have_attribute("aria-posinset", "1")
    page.select_option("#f-family", label="all families")
    sheet.leaves(120)
    expect(page.locator("#detail")).to_have_attribute("data-row", str(first))
    page.fill("#f-text", "no such words anywhere")
    expect(page.locator("#detail")).to_have_text("No puzzle fits these filters.")
    page.click("button[type=reset]")
    expect(page.locator("#detail")).to_have_attribute("data-row", "0")
    assert sheet.trouble == []


def test_every_puzzle_and_every_filter_has_a_link(browser: Browser, report: Report) -> None:
    sheet = opened(browser, report.path)
    page = sheet.page
    page.select_option("#f-family", label="clock")
    page.select_option("#f-outcome", label="wrong")
    page.focus("#list")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_focused()
    shown, row, kept = page.locator("#count").inner_text(), page.locator("#detail").get_attribute("data-row"), page.url
    assert "puzzle=mini/clock/" in kept
    assert kept.endswith(page.locator("#here").get_attribute("href") or "-")
    again = opened(browser, report.path, fragment=kept.partition("#")[2])
    expect(again.page.locator("#count")).to_have_text(shown)
    expect(again.page.locator("#detail")).to_have_attribute("data-row", str(row))
    expect(again.page.locator("#puzzles h2")).to_be_in_viewport()
    puzzle = puzzle_line(3)["id"]
    single = opened(browser, report.path, fragment=link(puzzle=puzzle, of="beta")[1:])
    assert puzzle in single.detail()
    assert "needle3x from beta" in single.detail()
    assert single.count() == 120
    nowhere = opened(browser, report.path, fragment="?puzzle=no/such&family=none&mode=%00")
    assert nowhere.count() == 120
    assert sheet.trouble == again.trouble == single.trouble == nowhere.trouble == []


def test_an_open_question_shows_no_letters(browser: Browser, tmp_path: Path) -> None:
    run = write_story(tmp_path / "run", [puzzle_line(1)], fmt="open")
    write_html(gap_document(open_runs([run])), open_runs([run]), tmp_path / "report.html")
    sheet = opened(browser, tmp_path / "report.html")
    assert "these options were not shown" in sheet.detail()
    assert not re.search(r"\b[A-D]\. ", sheet.detail())


def test_dark_and_light(browser: Browser, report: Report) -> None:
    color = "getComputedStyle(document.body).backgroundColor"
    light, dark = (opened(browser, report.path, dark=value) for value in (False, True))
    white, black = light.page.evaluate(color), dark.page.evaluate(color)
    assert (white, black) == ("rgb(255, 255, 255)", "rgb(20, 23, 28)")
    light.page.click("#theme")
    light.page.click("#theme")
    assert light.page.inner_text("#theme") == "Theme: dark"
    assert light.page.evaluate(color) == black
    assert light.trouble == dark.trouble == []


@pytest.mark.parametrize("width", [360, 420, 800, 1600])
def test_no_sideways_scrolling(browser: Browser, report: Report, width: int) -> None:
    sheet = opened(browser, report.path, width=width)
    assert sheet.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_printed_page_has_the_tables_and_not_the_list(browser: Browser, report: Report) -> None:
    sheet = opened(browser, report.path, dark=True)
    sheet.page.emulate_media(media="print")
    for name, visible in (("#puzzles", False), ("#filters", False), ("nav", False), ("#gaps table", True), (".heat", True)):
        assert sheet.page.locator(name).first.is_visible() is visible, name
    assert sheet.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert sheet.page.pdf().startswith(b"%PDF")
    assert sheet.trouble == []


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Markup in every place that a model or a data set writes."""
    folder = tmp_path_factory.mktemp("hostile")
    everything = "\n".join(ATTACKS)
    lines = [
        {**puzzle_line(number), "family": NAME, "suite": NAME, "question": everything, "description": everything, "options": [attack, "b"],
         "answer": attack, "image": {"source": attack, "drawn": False}}
        for number, attack in enumerate(ATTACKS)
    ]  # fmt: skip
    run = write_story(
        folder / "run", lines, models=[NAME, ATTACKS[3]],
        text=lambda model, number, mode: ATTACKS[number], caption=lambda model, number, mode: everything,
    )  # fmt: skip
    facts = CaptionFacts(1, ((NAME, ATTACKS[0], ATTACKS[1]),), ((ATTACKS[3], NAME),), recovered=False)
    write_html(gap_document(open_runs([run])), open_runs([run]), folder / "report.html", Sources(facts=lambda line, text: facts))
    return folder / "report.html"


def test_nothing_that_a_model_wrote_comes_alive(browser: Browser, hostile: Path) -> None:
    sheet = opened(browser, hostile)
    page = sheet.page
    page.focus("#list")
    page.keyboard.press("Home")
    for number, attack in enumerate(ATTACKS):
        page.keyboard.press("Enter")
        expect(page.locator("#detail")).to_have_attribute("data-row", str(2 * number))
        shown = page.locator("#detail .reply pre").first.text_content()
        assert shown == attack
        page.focus("#list")
        page.keyboard.press("j")
        page.keyboard.press("j")
    assert page.evaluate("window.hit") is None
    assert page.locator("img").count() == 0
    assert page.locator("#detail script, #detail svg, #detail a, main script").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    assert NAME in page.inner_text(".verdict")
    page.fill("#f-text", "onerror=alert(1)")
    assert sheet.count() > 0
    assert sheet.trouble == []


def test_the_policy_stops_even_markup_that_got_in(browser: Browser, hostile: Path) -> None:
    sheet = opened(browser, hostile)
    markup = "<img src='data:,' onerror='window.hit=1'><b style='color:red'>b</b>"
    sheet.page.evaluate("(markup) => document.body.insertAdjacentHTML('beforeend', markup)", markup)
    sheet.page.evaluate("const made = document.createElement('script'); made.textContent = 'window.hit = 2'; document.body.append(made)")
    sheet.page.wait_for_timeout(200)
    assert sheet.page.evaluate("window.hit") is None
    assert any("Content Security Policy" in line for line in sheet.trouble)


def test_a_report_without_pictures_or_models_opens(browser: Browser, tmp_path: Path) -> None:
    run = write_story(tmp_path / "run", [puzzle_line(1)], modes=["image"], outcome=lambda model, number, mode: "error")
    (run / "puzzles.jsonl").unlink()
    write_html(gap_document(open_runs([run])), open_runs([run]), tmp_path / "report.html")
    sheet = opened(browser, tmp_path / "report.html")
    assert "image not at hand" in sheet.detail()
    assert "the question is not stored" in sheet.detail()
    assert sheet.trouble == []


def test_1800_puzzles_in_four_modes_open_quickly(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [str(number) for number in range(2000)]
    texts = [" ".join(random.Random(number).choices(words, k=120)) for number in range(50)]
    run = write_story(
        tmp_path / "run", [puzzle_line(number) for number in range(1800)], outcome=outcome,
        text=lambda model, number, mode: f"only{number}x {mode} {texts[number % 50]}",
    )  # fmt: skip
    picture = publish.picture(puzzle_line(1), 224)
    assert picture is not None
    small = thumbs.thumbnail(picture)
    monkeypatch.setattr(thumbs, "thumbnail", lambda *_: small)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    size = write_html(
        gap_document(open_runs([run])), open_runs([run]), tmp_path / "report.html", Sources(picture=lambda line, side: picture)
    )
    start = time.perf_counter()
    sheet = opened(browser, tmp_path / "report.html")
    seconds = time.perf_counter() - start
    sheet.page.fill("#f-text", "only1799x blind")
    begun = time.perf_counter()
    sheet.leaves(1)
    print(f"\n1,800 x 4: {size / 1e6:.1f} MB, first puzzle shown after {seconds:.2f} s, first search {time.perf_counter() - begun:.2f} s")
    assert size < 30_000_000
    assert sheet.count() == 1
    assert sheet.trouble == []
