"""Formats: our own, registered, from an installed package; what is written where, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import UserError
from bench.gap.make import gap_document
from bench.publish import formats, publish
from bench.report import write
from bench.report.write import Report, register
from bench.store.run import open_runs
from tests.report.pages import puzzle_line, write_story

PLUGIN = """
def write(report):
    (report.folder / "names.txt").write_text(" ".join(model["name"] for model in report.document["models"]))

broken = "no function"
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_REGISTERED", {})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_story(tmp_path_factory.mktemp("run") / "r", [puzzle_line(1)])


def names(report: Report) -> None:
    (report.folder / "models.txt").write_text(str(len(report.document["models"])))


def test_every_format_is_written_beside_gap_json(tmp_path: Path, run: Path) -> None:
    ours = [name for name in formats() if name != "inspect"]
    publish(gap_document(open_runs([run])), open_runs([run]), tmp_path / "out", ours)
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"gap.json", "report.md", "report.html", "tables.tex", "diagnosis.csv", "diagnosis.pdf", "junit.xml"} <= found


def test_a_report_imports_neither_scipy_nor_all_of_pillow(tmp_path: Path, run: Path) -> None:
    """Either takes longer to import than a report of some hundred trials takes to make."""
    script = (
        "import sys; from pathlib import Path; from bench.publish import published; from bench.store.run import open_runs; "
        "published(open_runs([Path(sys.argv[1])]), Path(sys.argv[2]), ('md', 'html')); "
        "print(*(name for name in ('scipy', 'matplotlib', 'PIL.TiffImagePlugin', 'PIL.WebPImagePlugin') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(run), str(tmp_path / "out")], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PIL.WebPImagePlugin"]


def test_a_registered_format_is_one_function(tmp_path: Path, run: Path) -> None:
    register("count", names)
    assert "count" in formats()
    publish(gap_document(open_runs([run])), open_runs([run]), tmp_path, ["count"])
    assert (tmp_path / "models.txt").read_text() == "1"
    with pytest.raises(UserError, match="exists already"):
        register("count", names)
    with pytest.raises(UserError, match="exists already"):
        register("md", names)
    register("md", names, override=True)
    with pytest.raises(UserError, match="lower-case"):
        register("My Format", names)
    with pytest.raises(UserError, match="expected a function"):
        register("other", "no function")  # pyright: ignore[reportArgumentType]


def test_an_installed_package_offers_a_format(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "site" / "acme_formats-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-formats\nVersion: 1.0\n")
    entries = "names = sightgap_test_format:write\nbad = sightgap_test_format:broken\nlost = sightgap_test_nothing:write\n"
    (metadata / "entry_points.txt").write_text(f"[sightgap.formats]\n{entries}")
    (tmp_path / "site" / "sightgap_test_format.py").write_text(PLUGIN)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    assert {"names", "bad", "lost"} <= set(formats())
    assert "sightgap_test_format" not in sys.modules
    document = gap_document(open_runs([run]))
    publish(document, open_runs([run]), tmp_path / "out", ["names"])
    assert (tmp_path / "out" / "names.txt").read_text() == "m"
    for name, said in (("bad", "expected a function"), ("lost", "cannot be imported"), ("nowhere", "expected some of terminal, md")):
        with pytest.raises(UserError, match=said):
            publish(document, open_runs([run]), tmp_path / name, [name])
        assert not (tmp_path / name).exists(), "nothing is written before every format is known"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, run: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be made"):
        publish(gap_document(open_runs([run])), open_runs([run]), tmp_path / "file" / "out", ["md"])
