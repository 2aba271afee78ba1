"""README.md and docs/ do what they say: their commands are executed, their links lead somewhere, their options exist.

The blocks of one page run in order in one empty folder, in which only `run_bench.py` and `tests` of the checkout lie. A block below
`<!-- needs: key -->` (or gpu, network, time, extra) is only parsed, and so is a line that installs, builds, trains or starts a server.
A comment "exit code N" behind a command says what it ends with. A block of text directly below commands is what they print: each of its
lines has to be among what they printed.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from bench.cli import build_parser, main
from bench.errors import UserError
from tests.conftest import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
NEEDS = ("key", "gpu", "network", "time", "extra")
OURS = "python run_bench.py "
FOREIGN = {"--privileged"}
"""Options of other programs that a page's prose may name."""
_BLOCK = re.compile(
    r"(?:^ *<!-- needs: (?P<needs>[^>]*?) -->\n+)?^(?P<in> *)```(?P<kind>sh|python)\n(?P<text>.*?)^(?P=in)```$"
    r"(?:\n\n```text\n(?P<shows>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_SIMPLE = re.compile(r"python run_bench\.py [^|>&;$`]*(#.*)?$")
_NOT_RUN = re.compile(r"(pip install|make|accelerate|vllm|trl|python -m|python run_bench\.py train(?!.*--dry-run)|eval )")
"""Lines that are not executed: they install, build, measure, train, start a server or change the shell."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: `needs` is None where it can be executed, `shows` what the page says that it prints."""

    kind: str
    text: str
    needs: str | None
    shows: str


def blocks(text: str) -> list[Block]:
    return [Block(found["kind"], dedent(found["text"]), found["needs"], found["shows"] or "") for found in _BLOCK.finditer(text)]


def lines(block: Block) -> Iterator[str]:
    """The commands of a block of shell: continued lines joined, comments and empty lines left out."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of all its commands."""
    yield parser
    for action in parser._actions:  # pyright: ignore[reportPrivateUsage]
        if isinstance(action, argparse._SubParsersAction):  # pyright: ignore[reportPrivateUsage]
            for below in action.choices.values():  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
                yield from parsers(below)  # pyright: ignore[reportUnknownArgumentType]


def arguments(line: str) -> list[str]:
    """The arguments of a command of ours; pipes and redirections are the shell's."""
    return shlex.split(re.split(r" [|>]+ ", line.removeprefix(OURS.strip()))[0], comments=True)


def parse(line: str) -> None:
    """Parse a command of ours as the command line does."""
    words = arguments(line)
    build_parser().parse_args(words if words and (not words[0].startswith("-") or words[0] == "--help") else ["run", *words])


def expected_code(line: str) -> int:
    """The exit code that the comment behind a command promises."""
    promised = re.search(r"#.*\bexit code (\d+)$", line)
    return int(promised[1]) if promised else 0


def printed_by(call: list[str], folder: Path, code: int = 0) -> str:
    """What another program prints in `folder`.

    Raises:
        AssertionError: it does not end with `code`; with what it printed.
    """
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == code, f"{call}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def expanded(word: str, folder: Path) -> list[str]:
    """What the shell makes of a word with an asterisk."""
    return sorted(str(path.relative_to(folder)) for path in folder.glob(word)) if "*" in word else [word]


def printed_by_us(line: str, folder: Path) -> str:
    """What a command of ours prints, in this process: starting Python for each takes longer than most of them.

    Raises:
        AssertionError: it does not end as promised; with what it printed.
    """
    words = [name for word in arguments(line) for name in expanded(word, folder)]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    assert code == expected_code(line), f"{line}\n{out.getvalue()[-2000:]}\n{err.getvalue()[-2000:]}"
    return out.getvalue()


def execute(block: Block, folder: Path) -> None:
    """Run a block in `folder`, which is the current one, as a reader would.

    Raises:
        AssertionError: a command failed, or did not print what the page shows.
    """
    if block.kind == "python":
        text = printed_by([sys.executable, "-c", block.text], folder)
    else:
        wanted = [line for line in lines(block) if not _NOT_RUN.match(line)]
        text = "".join(
            printed_by_us(line, folder) if _SIMPLE.match(line) else printed_by(["bash", "-euc", line], folder, expected_code(line))
            for line in wanted
        )
    shown = {line.rstrip() for line in text.splitlines()}
    missing = [line for line in block.shows.splitlines() if line.rstrip() not in shown]
    assert not missing, f"{block.text}\ndoes not print {missing}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a cache of its own and no keys."""
    made = tmp_path / "folder"
    made.mkdir()
    for name in ("run_bench.py", "tests"):
        (made / name).symlink_to(ROOT / name)
    monkeypatch.chdir(made)
    for name, value in {"SIGHTGAP_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_AUTH_TOKEN"))]:
        monkeypatch.delenv(name)
    return made


def slugs(text: str) -> set[str]:
    """The anchors that a page's headings have on GitHub."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_run(page: Path, folder: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.kind == "python":
            ast.parse(block.text)
        else:
            for line in lines(block):
                if line.startswith(OURS.strip()):
                    parse(line)
        if block.needs is None:
            execute(block, folder)
        else:
            assert block.needs in NEEDS, f"{page.name}: {block.needs!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere_and_options_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in _LINK.findall(_FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{page.name}: {link} does not exist"
        if anchor:
            assert anchor in slugs(target.read_text(encoding="utf-8")), f"{page.name}: {link} has no such heading"
    known = {option for parser in parsers(build_parser()) for action in parser._actions for option in action.option_strings}  # pyright: ignore[reportPrivateUsage]
    named = set(_OPTION.findall(" ".join(re.findall(r"`[^`\n]+`", _FENCE.sub("", text)))))
    foreign = FOREIGN if "vllm serve" not in text else FOREIGN | {"--generation-config"}
    assert named <= known | foreign, f"{page.name}: {sorted(named - known)} are no options"


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = set(_LINK.findall(index))
    assert {page.name for page in PAGES if page.parent.name == "docs" and page.name != "index.md"} <= linked
    assert "docs/index.md" in _LINK.findall(PAGES[0].read_text(encoding="utf-8"))


def test_the_pages_of_pipelines_show_the_tested_files() -> None:
    shown = re.findall(r"```yaml\n(.*?)\n```", (ROOT / "docs" / "ci.md").read_text(encoding="utf-8"), re.DOTALL)
    for name in ("workflow.yml", "gitlab-ci.yml"):
        assert (ROOT / "tests" / "commands" / name).read_text(encoding="utf-8").rstrip() in shown, name


def spread(values: list[float]) -> str:
    return f"{min(values)} to {max(values)}"


def test_the_figures_of_the_calibration_are_those_of_its_report() -> None:
    """Each range of docs/measurement.md, reckoned again from the committed report."""
    report = (ROOT / "reports" / "example" / "calibration.md").read_text(encoding="utf-8")
    tables: dict[str, list[list[str]]] = {}
    for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", report, re.MULTILINE | re.DOTALL):
        rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("|")]
        tables[title] = [rows[0], *rows[2:]]

    def column(title: str, name: str, kind: str = "") -> list[float]:
        header, *rows = tables[title]
        return [float(row[header.index(name)]) for row in rows if row[0].startswith(kind) and row[header.index(name)] not in ("-", "")]

    parts = "Using, seeing and thinking"
    header, *worlds = tables[parts]
    zero = [
        float(row[header.index(f"{part} named")])
        for row in worlds
        for part in ("using", "seeing", "thinking")
        if float(row[header.index(f"true {part}")]) == 0
    ]
    means = [float(value) for value in tables["Coverage of the 95% intervals, and bias"][-1][2:6]]
    expected = [
        *(spread(column(parts, f"{part} covered")) for part in ("using", "seeing", "thinking")),
        spread(zero),
        spread(column("One model asked twice", "called changed")),
        spread(means),
        spread(column("False alarms", "false alarms", "exact paired test")),
        spread(column("False alarms", "false alarms", 'noninferiority "worse"')),
    ]
    page = (ROOT / "docs" / "measurement.md").read_text(encoding="utf-8")
    shown = re.search(r"^\| what \|.*?\n\n", page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert [row.rsplit("|", 2)[1].strip() for row in shown[0].strip().splitlines()[2:]] == expected
    worst = max(abs(value) for value in column(parts, "bias of the old p"))
    assert f"off by up to {worst} points" in " ".join(page.split())
    assert f"{len(worlds)} worlds" in page


def test_the_figures_of_what_options_give_away_are_those_that_were_printed() -> None:
    printed = (ROOT / "reports" / "example" / "leaks.txt").read_text(encoding="utf-8")
    page = " ".join((ROOT / "docs" / "measurement.md").read_text(encoding="utf-8").split())
    (chance, found), (chance_1, found_1) = re.findall(r"^│ mean +│ +│ +([\d.]+) │ +([\d.]+) │", printed, re.MULTILINE)
    assert f"right on {found}% in `algo`, where chance is {chance}%, and on {found_1}% in `algo@1`, where chance is {chance_1}%" in page
    over, over_1 = (re.split(r",\s+", names) for names in re.findall(r"points above chance: (.*?)\n\n", printed + "\n\n", re.DOTALL))
    assert over == ["clock"]
    assert f"in {len(over_1)} families of `algo@1`, and in one of `algo`" in page
    assert re.search(r"│ clock +│ 500 │ +25\.0 │ +27\.8 │ +30\.6 ", printed)
    assert "the trees reach 30.6% in clock, where chance is 25.0%" in page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```sh\npython run_bench.py run --modle x\n```\n", "--modle"),
        ("<!-- needs: key -->\n```sh\npython run_bench.py run --modle x\n```\n", "--modle"),
        ("<!-- needs: luck -->\n```sh\npython run_bench.py --dry-run\n```\n", "luck"),
        ("```sh\npython run_bench.py tasks show no-such-family\n```\n", "no-such-family"),
        ("```sh\ntrue  # exit code 1\n```\n", "true"),
        ("```sh\necho 2\n```\n\n```text\n3\n```\n", "does not print"),
        ("```python\nraise SystemExit(3)\n```\n", "SystemExit"),
    ],
)
def test_a_page_that_is_wrong_is_found(text: str, message: str, tmp_path: Path, folder: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises((AssertionError, UserError), match=message):
        test_the_examples_run(page, folder)


def test_dead_links_and_unknown_options_are_found(tmp_path: Path) -> None:
    for number, text in enumerate(("[x](nowhere.md)", "# A b\n[x](#a-c)", "use `--modle`")):
        page = tmp_path / f"{number}.md"
        page.write_text(text, encoding="utf-8")
        with pytest.raises(AssertionError):
            test_links_lead_somewhere_and_options_exist(page)
