"""Known vulnerabilities of the pinned packages, as pip-audit finds them: `make audit`.

pip-audit lists a package that its service does not know, or cannot be asked about, as skipped, and still succeeds. Here the number that
was really audited is told, and 0 of them is no clean bill: exit code 0 nothing known, 1 vulnerable, 3 nothing could be audited.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def verdict(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Exit code and lines for pip-audit's JSON report."""
    packages: list[dict[str, Any]] = report["dependencies"]
    audited = [package for package in packages if "vulns" in package]
    lines = [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version'}"
        for package in audited
        for flaw in package["vulns"]
    ]
    if not audited:
        return 3, [f"none of {len(packages)} packages could be audited: the vulnerability service is not reachable from here"]
    lines.append(f"{len(audited)} of {len(packages)} packages audited, {len(lines)} known vulnerabilities")
    return (1 if len(lines) > 1 else 0), lines


def main() -> int:
    """Audit constraints.txt."""
    asked = ["--progress-spinner", "off", "--timeout", "10", "--disable-pip", "--no-deps", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *asked, "-r", str(ROOT / "constraints.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        print(f"nothing was audited: {(done.stderr.strip().splitlines() or ['pip-audit said nothing'])[-1]}")
        return 3
    code, lines = verdict(report)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
