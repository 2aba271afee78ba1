"""The shape of the project: arrows point one way, one module reads the environment, files stay readable."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx as nx

from tests.conftest import ROOT

LEAVES = ("bench.errors", "bench.mode", "bench.outcome", "bench.stats.exact", "bench.gap.document")


def modules() -> dict[str, Path]:
    files = [path for folder in ("bench", "tasks") for path in (ROOT / folder).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imports(path: Path, *, lazy: bool) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if lazy else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def graph(*, lazy: bool) -> nx.DiGraph[str]:
    known = modules()
    edges = [(name, target) for name, path in known.items() for target in imports(path, lazy=lazy) if target in known and target != name]
    made: nx.DiGraph[str] = nx.DiGraph()
    made.add_nodes_from(known)
    made.add_edges_from((a, b) for a, b in edges if not b.endswith("__init__") and b not in ("bench", "tasks"))
    return made


def test_no_cycle() -> None:
    assert list(nx.simple_cycles(graph(lazy=True))) == []


def test_arrows_point_one_way() -> None:
    arrows = graph(lazy=True)
    for leaf in LEAVES:
        assert set(arrows.successors(leaf)) <= {"bench.errors"}, leaf
    nothing_below = {name for name in arrows if name.startswith(("bench.cli", "bench.commands."))}
    for name in arrows:
        reached = set(arrows.successors(name))
        if not name.startswith(("bench.cli", "bench.commands")):
            assert not reached & nothing_below, name
        if name.startswith("tasks."):
            assert not {r for r in reached if r.startswith("bench.")} - {
                "bench.digest",
                "bench.errors",
                "bench.stats.exact",
                "bench.image",
                "bench.puzzle",
                "bench.suggest",
            }, name
        if name.startswith("bench.report") and name != "bench.report.pictures":
            assert not {r for r in reached if r.startswith(("tasks", "bench.models", "bench.runner.ask", "bench.gap.frame"))}, name
        if not name.startswith(("bench.train", "bench.commands")):
            assert not any(r.startswith("bench.train") for r in reached), name
    for above in ("bench.gap.make", "bench.runner.plan", "bench.runner.ask", "bench.runner.session", "bench.commands.run"):
        assert not any(nx.has_path(arrows, name, above) for name in arrows if name.startswith("bench.gap.") and name != "bench.gap.make"), (
            above
        )
    assert not nx.has_path(arrows, "bench.gap.make", "bench.runner.ask")
    assert not nx.has_path(arrows, "bench.grader.grade", "bench.store.writer")


def test_one_module_reads_the_environment() -> None:
    readers = {name for name, path in modules().items() if "os.environ" in (text := path.read_text()) or "getenv" in text}
    assert readers == {"bench.env"}


def test_files_are_short_enough_to_read() -> None:
    long = {name: count for name, path in modules().items() if (count := path.read_text().count("\n")) > 420}
    assert long == {}


def test_nothing_catches_everything() -> None:
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                caught = node.type.id if isinstance(node.type, ast.Name) else ""
                assert node.type is not None, name
                assert caught not in ("Exception", "BaseException"), name
