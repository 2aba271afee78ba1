"""The README's first table is what its first command prints today, up to what one processor rounds otherwise than another.

The demo asks real checkpoints. Greedy replies are the same on one machine; on another a few of them differ, where two tokens were nearly
equal. So the words and the sizes must agree, and accuracies within `TOLERANCE` points.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

TOLERANCE = 5.0
EXAMPLE = ROOT / "reports" / "example"
"""The committed report of the demo."""

_ROW = re.compile(r"^ (image|caption|oracle|blind) +([\d.]+) \[.*?\] +(\d+) ", re.MULTILINE)
_MODEL = re.compile(r"^(tiny-\S+)\s*$", re.MULTILINE)


def printed_by_the_demo(folder: Path) -> str:
    """What `make demo` prints on standard output, without trailing blanks and the line that names the run directory."""
    environment = {**os.environ, "SIGHTGAP_CACHE": str(folder / "cache"), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_bench.py")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return "\n".join(line for line in lines if not line.startswith("run results/")).strip()


def shown_in_the_readme() -> str:
    block = re.search(r"```text\n(.*?)\n```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return block[1]


def rows(text: str) -> list[tuple[str, float, int]]:
    """Mode, accuracy in percent and n, in the order of the tables."""
    return [(mode, float(accuracy), int(n)) for mode, accuracy, n in _ROW.findall(text)]


def accuracies(document: Mapping[str, Any]) -> dict[tuple[str, str, str], float]:
    """(model, family, mode) -> accuracy of a gap document; families in which twenty puzzles are asked, and the whole as ""."""
    return {
        (model["name"], family, mode): cell["accuracy"]
        for model in document["models"]
        for family, part in {"": model, **model["families"]}.items()
        for mode, cell in part["modes"].items()
    }


@pytest.mark.slow
def test_the_first_table_and_the_example_are_what_the_demo_makes(tmp_path: Path) -> None:
    shown, printed = shown_in_the_readme(), printed_by_the_demo(tmp_path)
    again = "run  python -m tests.test_readme  to bring the README up to date"
    assert _MODEL.findall(shown) == _MODEL.findall(printed) == ["tiny-glance", "tiny-base"], again
    assert len(rows(shown)) == 8
    for old, new in zip(rows(shown), rows(printed), strict=True):
        assert (old[0], old[2]) == (new[0], new[2]), again
        assert old[1] == pytest.approx(new[1], abs=TOLERANCE), again
    (made,) = (tmp_path / "reports").iterdir()
    then, now = (json.loads((folder / "gap.json").read_text(encoding="utf-8")) for folder in (EXAMPLE, made))
    assert then["suite"] == now["suite"]
    kept, found = accuracies(then), accuracies(now)
    assert kept.keys() == found.keys()
    for key, value in kept.items():
        assert found[key] == pytest.approx(value, abs=TOLERANCE / 100 if key[1] == "" else 0.2), key


def test_every_command_of_the_readme_is_one_that_exists() -> None:
    from bench.cli import build_parser

    parser = build_parser()
    calls = re.findall(r"^python run_bench\.py (.*?)(?:\s+#.*)?$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(calls) >= 8
    for call in calls:
        words = call.split()
        parser.parse_args(words if not words[0].startswith("-") else ["run", *words])


if __name__ == "__main__":
    import shutil
    import tempfile

    readme = ROOT / "README.md"
    with tempfile.TemporaryDirectory() as scratch:
        text_now = printed_by_the_demo(Path(scratch))
        (report,) = (Path(scratch) / "reports").iterdir()
        for file in report.iterdir():
            shutil.copy(file, EXAMPLE / file.name)
    whole = readme.read_text(encoding="utf-8")
    readme.write_text(
        re.sub(r"```text\n.*?\n```", lambda _: f"```text\n{text_now}\n```", whole, count=1, flags=re.DOTALL), encoding="utf-8"
    )
