"""The shape of the project: arrows point one way, one module reads the environment, files stay readable. The rules are `tests.rules`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import rules
from tests.arrows import PACKAGES, TOPS, Tree
from tests.conftest import ROOT
from tests.rules import HEAVY, RULES, Rule

NOT_YET: dict[Rule, str] = {}
"""Rules that the tree does not satisfy yet, and what will be done. A rule that holds again must leave the list."""

TREE = Tree(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Rule) -> None:
    broken = rule(TREE)
    if rule in NOT_YET:
        assert broken, "this rule holds: take it out of NOT_YET"
        pytest.xfail(f"{NOT_YET[rule]}: {broken}")
    assert broken == []


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copy")
    for path in TREE.files.values():
        target = root / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return root


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_finds_what_breaks_it(rule: Rule, copy: Path) -> None:
    """A copy of the tree in which one file breaks the rule: something is found that was not there before."""
    name, lines = RULES[rule]
    file = copy / name
    whole = file.read_text(encoding="utf-8")
    before = set(rule(Tree(copy)))
    file.write_text(f"{whole}\n{lines}\n", encoding="utf-8")
    try:
        after = set(rule(Tree(copy)))
    finally:
        file.write_text(whole, encoding="utf-8")
    assert after - before


def test_a_detour_is_found(copy: Path) -> None:
    """A room that may be entered leads to one that may not: the whole way is told."""
    files = {copy / "bench/grader/cues.py": "import bench.digest", copy / "bench/digest.py": 'LATE = "bench.store.writer"'}
    whole = {file: file.read_text(encoding="utf-8") for file in files}
    for file, line in files.items():
        file.write_text(f"{whole[file]}\n{line}\n", encoding="utf-8")
    try:
        found = rules.grader_never_reaches_the_store(Tree(copy))
    finally:
        for file, text in whole.items():
            file.write_text(text, encoding="utf-8")
    assert "bench.grader.cues > bench.digest > bench.store.writer" in found


@pytest.mark.parametrize("arguments", ["--help", "run --help", "models list", "tasks list"])
def test_a_listing_loads_nothing_heavy(arguments: str) -> None:
    """What really is in memory when the command ends."""
    script = (
        "import json, sys\nfrom bench.cli import main\n"
        f"try:\n    main({arguments.split()!r})\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert done.stdout
    light = {"numpy"} if arguments == "run --help" else set[str]()  # the help of a run names degradations, which are arithmetic on pixels
    slow = {"PIL", "asyncio"} if arguments == "models list" else set[str]()  # half of the 0.3 s that the table may take
    assert loaded & {*HEAVY, "httpx2", *slow} - light == set()


def test_everything_is_looked_at() -> None:
    assert {name.partition(".")[0] for name in TREE.files} == {*PACKAGES, *TOPS}
    assert len(TREE.files) > 150
    assert TREE.graph.number_of_edges() > 500
