"""What surrounds the code: licence, citation, workflow, hooks, Makefile. What can be run of them here is run."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.benchmarks.audit import verdict
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
JOBS: dict[str, Any] = WORKFLOW["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_workflow_runs_targets_of_the_makefile() -> None:
    """Every `run:` is one or more targets, and make knows how to build each."""
    lines = [step["run"] for step in STEPS if "run" in step]
    targets = {target for line in lines for target in line.removeprefix("make ").split()}
    assert all(line.startswith("make ") for line in lines)
    assert {"check", "test", "test-inspect", "test-vllm", "audit"} == targets
    for target in targets:
        done = make("--dry-run", target)
        assert done.returncode == 0, done.stderr


def test_the_workflow_may_only_read_and_its_actions_are_pinned() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all("permissions" not in job and job["timeout-minutes"] for job in JOBS.values())
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"]) for step in STEPS if "uses" in step)
    assert not any("secrets." in str(step) for step in STEPS)


def test_the_tested_pythons_are_the_declared_ones() -> None:
    tested = JOBS["test"]["strategy"]["matrix"]["python"]
    declared = [line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", line)]
    assert tested == declared
    assert PROJECT["requires-python"] == f">={declared[0]}"


@pytest.mark.parametrize("found", ["Python 3.10.13", "Python 2.7.18"])
def test_a_python_that_is_too_old_is_told(tmp_path: Path, found: str) -> None:
    """A stand-in that answers as an old Python does: nothing is made, one line says what is needed."""
    old = tmp_path / "python"
    old.write_text(f'#!/bin/sh\ncase "$1" in --version) echo "{found}";; *) exit 1;; esac\n')
    old.chmod(0o755)
    least = PROJECT["requires-python"].removeprefix(">=")
    for target in ("demo", "test"):
        done = make(target, f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
        assert done.returncode == 2
        assert f"sightgap needs Python {least} or newer, and {old} is {found}: name another" in done.stderr
        assert not (tmp_path / "venv").exists()


def test_the_hooks_are_what_make_check_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    planned = make("--dry-run", "check").stdout
    for hook in hooks:
        command = hook["entry"].replace(" --force-exclude", "")
        assert command in planned, command


def test_the_citation_names_the_paper() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["license"], cited["version"]) == (PROJECT["license"], PROJECT["version"])
    paper = cited["references"][0]
    assert paper["identifiers"][0]["value"] == "arXiv:2601.00215"
    assert paper["url"].endswith("/2601.00215")
    assert [author["family-names"] for author in paper["authors"]] == ["Sharif", "Hossain", "Singh", "Ng"]


def test_the_licence_and_the_changelog() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_nothing_cites_a_file_that_is_not_there() -> None:
    """Every file in capitals that a tracked text names is in the repository."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    there = {Path(name).name for name in tracked}
    missing: set[str] = set()
    for name in tracked:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".json", ".j2", ".yaml", ".yml", ".cff") and path.exists():
            named = re.findall(r"\b[A-Z]{4,}\.md\b", path.read_text(encoding="utf-8"))
            missing |= {f"{name}: {found}" for found in named if found not in there}
    assert missing == set()


def test_an_audit_of_nothing_is_no_clean_bill() -> None:
    unknown: dict[str, Any] = {"name": "a", "skip_reason": "not found"}
    sound: dict[str, Any] = {"name": "b", "version": "1", "vulns": []}
    flawed: dict[str, Any] = {"name": "c", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    expected: list[tuple[list[dict[str, Any]], int, str]] = [
        ([unknown], 3, "none of 1 packages could be audited: the vulnerability service is not reachable from here"),
        ([unknown, sound], 0, "1 of 2 packages audited, 0 known vulnerabilities"),
        ([sound, flawed], 1, "2 of 2 packages audited, 1 known vulnerabilities"),
    ]
    for packages, code, last in expected:
        found, lines = verdict({"dependencies": packages})
        assert (found, lines[-1]) == (code, last)
