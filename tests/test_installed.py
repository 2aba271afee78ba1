"""The wheel, installed where nothing else of the project is: an environment of exactly the packages that it declares, an empty folder.

The packages are those of the environment that runs the tests, linked one by one, so nothing is fetched: what a requirement of
pyproject.toml does not bring is not there.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [*PIP, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
        timeout=120,
    )
    return next(folder.glob("*.whl"))


def requirements(*extras: str) -> list[str]:
    """What pyproject.toml asks for; extras of our own are followed."""
    asked = list(PROJECT["dependencies"])
    for extra in extras:
        for line in PROJECT["optional-dependencies"][extra]:
            own = Requirement(line)
            asked += requirements(*own.extras) if own.name == "sightgap" else [line]
    return asked


def closure(lines: list[str]) -> set[str]:
    """Names of all distributions that the requirements bring, as their own metadata say."""
    found: set[str] = set()
    waiting = [(Requirement(line), "") for line in lines]
    while waiting:
        wanted, extra = waiting.pop()
        if wanted.marker is not None and not any(wanted.marker.evaluate({"extra": name}) for name in (extra, "")):
            continue
        name = canonicalize_name(wanted.name)
        if name in found and not wanted.extras:
            continue
        found.add(name)
        for line in importlib.metadata.requires(wanted.name) or ():
            waiting += [(Requirement(line), chosen) for chosen in (wanted.extras or {""})]
    return found


def environment(folder: Path, wheel: Path, *extras: str) -> Path:
    """A virtual environment with the wheel and links to what it requires; returns the `sightgap` of it."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    linked = folder / "linked"
    linked.mkdir()
    for name in closure(requirements(*extras)):
        for target in top_level(importlib.metadata.distribution(name)):
            link = linked / target.name
            if not link.exists():
                link.symlink_to(target)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    (site / "linked.pth").write_text(f"{linked}\n")
    subprocess.run([*PIP, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True, timeout=120)
    return folder / "bin" / "sightgap"


def top_level(distribution: importlib.metadata.Distribution) -> Iterator[Path]:
    """The files and folders that a distribution laid into site-packages."""
    root = Path(str(distribution.locate_file("")))
    names = {path.parts[0] for path in distribution.files or () if path.parts[0] != ".."}
    yield from (root / name for name in names if (root / name).exists())


@pytest.fixture(scope="session")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("core"), wheel)


@pytest.fixture(scope="session")
def local(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("local"), wheel, "local")


def sightgap(command: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in `folder`, with no way back to the checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.endswith(("_API_KEY", "_BASE_URL"))}
    clean = {**kept, "SIGHTGAP_CACHE": str(folder.parent / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run([str(command), *arguments], cwd=folder, env=clean, capture_output=True, text=True, timeout=240)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_the_wheel_holds_what_is_read_at_run_time(wheel: Path) -> None:
    """Every tracked file of the packages is in it, and nothing of tests, results or this machine."""
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", "bench", "tasks", "prompts"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name for name in tracked.splitlines() if (ROOT / name).exists()} - held == set()
    assert {"bench/py.typed", "tasks/py.typed", "prompts/py.typed", "sightgap.py", "run_bench.py"} <= held
    tops = {name.split("/")[0] for name in held}
    assert tops == {"bench", "tasks", "prompts", "sightgap.py", "run_bench.py", f"sightgap-{PROJECT['version']}.dist-info"}
    assert not any(name.endswith(".pyc") for name in held)
    shipped = {path.relative_to(ROOT / "results").as_posix() for path in (ROOT / "results" / "checkpoints").rglob("*") if path.is_file()}
    assert {f"bench/{name}" for name in shipped} <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_the_command_calls_itself_by_its_name(core: Path, empty: Path) -> None:
    done = sightgap(core, empty, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: sightgap ")
    assert "run_bench" not in done.stdout
    checkout = subprocess.run([sys.executable, "run_bench.py", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert checkout.stdout.startswith("usage: run_bench.py ")


def test_the_core_alone_says_what_the_default_run_needs(core: Path, empty: Path) -> None:
    done = sightgap(core, empty)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*pip install 'sightgap\[local\]'\n", done.stderr), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert list(empty.iterdir()) == []


def test_the_core_alone_asks_and_reports(core: Path, empty: Path) -> None:
    """A whole run with a simulated model and every format that needs no extra."""
    done = sightgap(
        core, empty, "--model", "sim/p=0.6,r=0.9,seed=1", "--suite", "mini", "--families", "clock,maze", "--limit", "2", "--out", "run"
    )
    assert done.returncode == 0, done.stderr
    told = sightgap(core, empty, "report", "run", "--out", "report", "--formats", "terminal,md,html,latex,csv,junit")
    assert told.returncode == 0, told.stderr
    assert {"gap.json", "report.md", "report.html"} <= {path.name for path in (empty / "report").iterdir()}
    for verb in ("lint", "verify"):
        assert sightgap(core, empty, "tasks", verb, "mini:n=1").returncode == 0


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("data", ("tasks", "export", "mini:n=1", "--out", "made")),
        ("data", ("run", "--model", "sim/p=1,r=1", "--suite", "puzzlevqa", "--limit", "1")),
        ("local", ("run", "--model", "tiny-base", "--suite", "mini", "--limit", "1")),
        ("vllm", ("run", "--model", "vllm/some/model", "--suite", "mini", "--limit", "1")),
        ("train", ("train", "--recipe", "tiny", "--reward", "vanilla", "--model", "results/checkpoints/tiny-base", "--out", "made")),
    ],
)
def test_a_missing_extra_is_one_line(core: Path, empty: Path, extra: str, arguments: tuple[str, ...]) -> None:
    done = sightgap(core, empty, *arguments)
    assert done.returncode == 2
    assert re.fullmatch(rf"error: .*pip install 'sightgap\[{extra}\]'\n", done.stderr), done.stderr


def test_figures_without_matplotlib(core: Path, empty: Path) -> None:
    asked = sightgap(core, empty, "--model", "sim/p=1,r=1", "--suite", "mini", "--families", "clock", "--limit", "2", "--out", "run")
    assert asked.returncode == 0, asked.stderr
    done = sightgap(core, empty, "report", "run", "--out", "report", "--formats", "figures")
    assert done.returncode == 2
    assert "pip install 'sightgap[figures]'" in done.stderr


def test_models_list_offers_what_works(core: Path, local: Path, empty: Path) -> None:
    bare, full = (sightgap(command, empty, "models", "list") for command in (core, local))
    assert bare.returncode == full.returncode == 0
    assert "tiny-base" in full.stdout
    assert "pip install 'sightgap[local]'" not in full.stdout
    assert "pip install 'sightgap[local]'" in bare.stdout


@pytest.mark.slow
def test_the_shipped_checkpoints_answer_from_any_folder(local: Path, empty: Path) -> None:
    small = ("--families", "clock", "--level", "1", "--format", "open", "--limit", "1", "--max-tokens", "32")
    done = sightgap(local, empty, "run", *small, "--out", "run")
    assert done.returncode == 0, done.stderr
    assert len((empty / "run" / "trials.jsonl").read_text().splitlines()) >= 2 * 4
    assert "tiny-glance" in done.stdout
