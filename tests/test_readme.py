"""The README's first table is what its first command prints today."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


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


EXAMPLE = ROOT / "reports" / "example"
"""The committed report of the demo."""


@pytest.mark.slow
def test_the_first_table_and_the_example_are_what_the_demo_makes(tmp_path: Path) -> None:
    block = re.search(r"```text\n(.*?)\n```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    assert block[1] == printed_by_the_demo(tmp_path), "run  python -m tests.test_readme  to bring the README up to date"
    (made,) = (tmp_path / "reports").iterdir()
    for name in ("report.md", "gap.json"):
        assert (made / name).read_text(encoding="utf-8") == (EXAMPLE / name).read_text(encoding="utf-8"), name


def test_every_command_of_the_readme_is_one_that_exists() -> None:
    from bench.cli import build_parser

    parser = build_parser()
    calls = re.findall(r"^python run_bench\.py (.*?)(?:\s+#.*)?$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(calls) >= 8
    for call in calls:
        words = call.split()
        parser.parse_args(words if not words[0].startswith("-") else ["run", *words])


def test_the_workflow_is_the_tested_one() -> None:
    block = re.search(r"```yaml\n(.*?)\n```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    assert block[1] == (ROOT / "tests/bench/workflow.yml").read_text(encoding="utf-8").rstrip()


if __name__ == "__main__":
    import shutil
    import tempfile

    readme = ROOT / "README.md"
    with tempfile.TemporaryDirectory() as scratch:
        now = printed_by_the_demo(Path(scratch))
        (made,) = (Path(scratch) / "reports").iterdir()
        for file in made.iterdir():
            shutil.copy(file, EXAMPLE / file.name)
    text = readme.read_text(encoding="utf-8")
    readme.write_text(re.sub(r"```text\n.*?\n```", lambda _: f"```text\n{now}\n```", text, count=1, flags=re.DOTALL), encoding="utf-8")
