"""CONTRIBUTING.md does what it says: its plug-in is installed and used by its commands, its steps are followed in a copy of the tree."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PLUGIN = ROOT / "tests" / "plugin"


def block(kind: str) -> str:
    """The first block of code of that kind in CONTRIBUTING.md."""
    found = re.search(rf"^ *```{kind}\n(.*?)^ *```$", TEXT, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def run(arguments: list[str], folder: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Python in `folder`, with `paths` before everything else."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "SIGHTGAP_CACHE": str(folder / "cache"), "COLUMNS": "200"}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


def install(source: Path, site: Path) -> Path:
    """Install a package into the folder `site`, with its entry points; nothing is fetched."""
    quiet = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-deps", "--no-index")
    subprocess.run([sys.executable, *quiet, "--target", str(site), str(source)], check=True, timeout=120)
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source") / "plugin"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("__pycache__"))
    return install(source, tmp_path_factory.mktemp("site"))


def test_the_plug_in_is_declared_as_written() -> None:
    declared = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert tomllib.loads(block("toml"))["project"]["entry-points"] == declared


def test_the_plug_in_is_used_by_name(site: Path, tmp_path: Path) -> None:
    for line in block("sh").splitlines():
        python, script, *arguments = shlex.split(line)
        assert (python, script) == ("python", "run_bench.py")
        done = run([str(ROOT / script), *arguments], tmp_path, site, ROOT)
        assert (done.returncode, "error" in done.stderr) == (0, False), done.stderr
        assert "constant/2" in done.stdout
    table = (tmp_path / "reports" / "lamps-tsv" / "report.tsv").read_text(encoding="utf-8").splitlines()
    assert table[0] == "model\tmode\tn\taccuracy"
    rows = [line.split("\t") for line in table[1:]]
    assert [row[:3] for row in rows] == [["constant/2", mode, "20"] for mode in ("image", "oracle", "readback")]
    records = [json.loads(line) for line in (tmp_path / "results" / "lamps" / "trials.jsonl").read_text().splitlines()]
    right = [record["verdict"]["gold"] == "2" for record in records if record["mode"] == "image"]
    assert float(rows[0][3]) == pytest.approx(sum(right) / 20)


def test_the_pinned_suite_and_the_lists_stay(site: Path, tmp_path: Path) -> None:
    """An installed family joins no suite; it is listed where families are."""
    listed = run([str(ROOT / "run_bench.py"), "tasks", "list"], tmp_path, site, ROOT)
    assert re.search(r"algo +│ +18 ", listed.stdout), listed.stdout
    wrong = run([str(ROOT / "run_bench.py"), "run", "--model", "sim/p=1,r=1", "--suite", "lamp", "--limit", "1"], tmp_path, site, ROOT)
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("group", "entry", "arguments", "said"),
    [
        ("sightgap.families", "broken = 'nowhere.at:All'", ("run", "--model", "sim/p=1,r=1", "--suite", "broken:n=2"), "'broken'"),
        ("sightgap.models", "broken = 'nowhere.at:All'", ("run", "--model", "broken/1", "--suite", "mini", "--limit", "1"), "'broken'"),
        ("sightgap.families", "clock = 'json:dumps'", ("run", "--model", "sim/p=1,r=1", "--suite", "clock:n=2"), "'clock'"),
        ("sightgap.formats", "broken = 'nowhere.at:All'", ("report", "RUN", "--out", "out", "--formats", "broken"), "'broken'"),
        ("sightgap.formats", "html = 'json:dumps'", ("report", "RUN", "--out", "out", "--formats", "html"), "'html'"),
    ],
)
def test_a_plug_in_that_breaks_or_takes_a_name_is_one_line(
    tmp_path: Path, group: str, entry: str, arguments: tuple[str, ...], said: str
) -> None:
    """The package is laid down as an installer would: metadata with an entry point, and no module behind it."""
    metadata = tmp_path / "site" / "taker-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: taker\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{entry.replace(chr(39), '')}\n")
    command = str(ROOT / "run_bench.py")
    if "RUN" in arguments:
        asked = run([command, "--model", "sim/p=1,r=1", "--suite", "mini:n=2", "--families", "clock", "--out", "RUN"], tmp_path, ROOT)
        assert asked.returncode == 0, asked.stderr
    done = run([command, *arguments], tmp_path, tmp_path / "site", ROOT)
    assert done.returncode == 2
    assert re.fullmatch(rf"error: .*{said}.*\n", done.stderr), done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages as they are, to be changed."""
    root = tmp_path / "copy"
    for name in ("bench", "tasks", "prompts"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "run_bench.py", root / "run_bench.py")
    return root


def test_the_steps_of_a_reward(copy: Path, tmp_path: Path) -> None:
    line = block("text").strip()
    assert line in TEXT
    rewards = copy / "bench" / "train" / "rewards.py"
    before = rewards.read_text(encoding="utf-8")
    first = '        Reward("vanilla", '
    assert before.count(first) == 1
    rewards.write_text(before.replace(first, f"        {line}\n{first}"), encoding="utf-8")
    shutil.copyfile(copy / "prompts" / "reward_vanilla.j2", copy / "prompts" / "reward_brief.j2")
    completion = "<think>The hands say so.</think><answer>4:23</answer>"
    given = tmp_path / "given.jsonl"
    given.write_text(json.dumps({"family": "clock", "answer": "4:23", "completion": completion}) + "\n", encoding="utf-8")
    done = run([str(copy / "run_bench.py"), "rewards", str(given)], tmp_path, copy)
    assert done.returncode == 0, done.stderr
    assert "brief" in done.stdout


def test_the_steps_of_a_family(copy: Path, tmp_path: Path) -> None:
    shutil.copyfile(PLUGIN / "sightgap_lamps" / "family.py", copy / "tasks" / "families" / "lamps.py")
    registry = copy / "tasks" / "registry.py"
    before = registry.read_text(encoding="utf-8")
    line = '    "board_tile": "tasks.families.board_tile:'
    assert before.count(line) == 1
    registry.write_text(before.replace(line, f'    "lamps": "tasks.families.lamps:Lamps",\n{line}'), encoding="utf-8")
    drawn = run([str(copy / "run_bench.py"), "tasks", "show", "lamps", "--out", "lamps.png"], tmp_path, copy)
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "lamps.png").read_bytes().startswith(b"\x89PNG")
    asked = run(
        [str(copy / "run_bench.py"), "run", "--model", "sim/p=1,r=1", "--suite", "lamps:n=5", "--mode", "image", "--out", "run"],
        tmp_path,
        copy,
    )
    assert asked.returncode == 0, asked.stderr
    assert re.search(r"image +100\.0 ", asked.stdout), asked.stdout


def test_every_path_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:bench|tasks|tests|prompts)/[\w./-]+)`", TEXT))
    assert len(named) > 8
    assert {name for name in named if "NAME" not in name and not (ROOT / name).exists()} == set()
    for module, attribute in re.findall(r"`((?:bench|tasks)(?:\.\w+)+)\.(\w+)`", TEXT):
        if not module.endswith(("toml",)):
            source = ROOT / f"{module.replace('.', '/')}.py"
            if source.exists():
                assert re.search(rf"^(class|def) {attribute}\b", source.read_text(encoding="utf-8"), re.MULTILINE), (module, attribute)
