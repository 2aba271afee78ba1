"""The tree of a checkout as arrows between modules, read from the source alone: what `tests.test_architecture` reasons about.

An arrow is an import, wherever in the file it stands (inside a function, under TYPE_CHECKING), or a module's name in a string, since that
is how modules are imported late: `"bench.train.grpo"`, `"tasks.families.clock:Clock"`, `f"bench.commands.{name}"`. `from bench import env`
is an arrow to `bench.env`. That importing `bench.store.reader` also runs `bench/store/__init__.py` is no arrow: the packages' own files
only re-export.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import networkx as nx

PACKAGES = ("bench", "tasks", "prompts")
TOPS = ("run_bench", "sightgap")


@dataclass(frozen=True)
class Tree:
    """The packages under `root`."""

    root: Path

    @cached_property
    def files(self) -> dict[str, Path]:
        """Module -> file."""
        found = [path for folder in PACKAGES for path in sorted((self.root / folder).rglob("*.py"))]
        found += [self.root / f"{name}.py" for name in TOPS]
        return {".".join(path.relative_to(self.root).with_suffix("").parts).removesuffix(".__init__"): path for path in found}

    @cached_property
    def texts(self) -> dict[str, str]:
        """Module -> source."""
        return {name: path.read_text(encoding="utf-8") for name, path in self.files.items()}

    @cached_property
    def parsed(self) -> dict[str, ast.Module]:
        """Module -> syntax tree."""
        return {name: parse(text) for name, text in self.texts.items()}

    @cached_property
    def graph(self) -> nx.DiGraph[str]:
        """Module -> module that it imports in any way."""
        made: nx.DiGraph[str] = nx.DiGraph()
        made.add_nodes_from(self.files)
        made.add_edges_from((name, target) for name, text in self.texts.items() for target in self._targets(text) if target != name)
        return made

    @cached_property
    def rooms(self) -> nx.DiGraph[str]:
        """The same between rooms (`bench.store`, `bench.digest`, `tasks.kit`)."""
        made: nx.DiGraph[str] = nx.DiGraph()
        made.add_edges_from((room(a), room(b)) for a, b in self.graph.edges if room(a) != room(b))
        return made

    def within(self, *names: str) -> list[str]:
        """The modules that are one of `names` or lie in it."""
        return [module for module in self.files if any(module == name or module.startswith(f"{name}.") for name in names)]

    def walks(self, sources: list[str], forbidden: list[str], through: nx.DiGraph[str] | None = None) -> list[str]:
        """The shortest way from each of `sources` to any module of `forbidden`, as text; empty where there is none."""
        graph = self.graph if through is None else through
        ways: list[str] = []
        for source in sources:
            if source not in graph:
                continue
            reached: dict[str, list[str]] = nx.single_source_shortest_path(graph, source)
            ends = sorted((len(reached[name]), name) for name in set(forbidden) & set(reached) - {source})
            ways += [" > ".join(reached[name]) for _, name in ends[:1]]
        return ways

    def _targets(self, text: str) -> Iterator[str]:
        for package, name in mentioned(text):
            inner = f"{package}.{name}" if package else name
            if name == "*":
                yield from self.within(package)
            elif inner in self.files:
                yield inner
            elif package in self.files:
                yield package


@cache
def parse(text: str) -> ast.Module:
    """The syntax tree of a source; copies of a file share one."""
    return ast.parse(text)


@cache
def nodes(text: str) -> tuple[ast.AST, ...]:
    """All nodes of a source."""
    return tuple(ast.walk(parse(text)))


@cache
def mentioned(text: str) -> tuple[tuple[str, str], ...]:
    """(package, name) of whatever a source may import: `from package import name`, ("", module), (package, "*") for a name made up late."""
    return tuple(found for node in nodes(text) for found in _mentioned(node))


def _mentioned(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        yield from (("", alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        yield from ((node.module, alias.name) for alias in node.names)
    elif isinstance(node, ast.JoinedStr) and node.values and isinstance(first := node.values[0], ast.Constant):
        if isinstance(first.value, str) and first.value.endswith("."):
            yield first.value.rstrip("."), "*"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        named = node.value.partition(":")[0]
        if named.startswith(tuple(f"{package}." for package in PACKAGES)):
            yield "", named


def room(module: str) -> str:
    """`bench.store.reader` is in the room `bench.store`."""
    return ".".join(module.split(".")[:2])
