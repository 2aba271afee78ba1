"""The shape of the tree in numbers: modules, rooms, arrows and the longest walk along imports, as `grimp` sees them.

A room is what lies directly in a package: a module (`bench.digest`) or a folder with all that is in it (`bench.store`). An arrow is one
importing the other, wherever in the file the import stands. The longest walk is the longest chain of imports that visits no module twice;
modules that import each other in a circle count as one step, and are named. Names that are imported as strings are not seen by `grimp`.

    python -m tests.benchmarks.structure [ROOT]      ROOT: the folder that holds bench/ and tasks/ (default: this checkout)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import grimp
import networkx as nx

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bench", "tasks")


def arrows(root: Path) -> nx.DiGraph[str]:
    """Module -> module that it imports, for every module under `root`."""
    sys.path.insert(0, str(root))
    try:
        found = grimp.build_graph(*PACKAGES, cache_dir=None)
    finally:
        sys.path.remove(str(root))
    made: nx.DiGraph[str] = nx.DiGraph()
    made.add_nodes_from(found.modules)
    made.add_edges_from((name, target) for name in found.modules for target in found.find_modules_directly_imported_by(name))
    return made


def room(module: str) -> str:
    """`bench.store.reader` is in the room `bench.store`, `bench.digest` is one of its own."""
    return ".".join(module.split(".")[:2])


def rooms(modules: nx.DiGraph[str]) -> nx.DiGraph[str]:
    """The same between rooms; arrows inside a room are left out."""
    made: nx.DiGraph[str] = nx.DiGraph()
    made.add_nodes_from(room(name) for name in modules)
    made.add_edges_from((room(a), room(b)) for a, b in modules.edges if room(a) != room(b))
    return made


def longest(graph: nx.DiGraph[str]) -> list[str]:
    """The longest chain of imports; a circle is one step, written with `=`."""
    circles: Any = nx.condensation(graph)
    return ["=".join(sorted(circles.nodes[step]["members"])) for step in nx.dag_longest_path(circles)]


def flat(root: Path) -> dict[str, int]:
    """Number of files that lie directly in each package."""
    return {name: sum(path.name != "__init__.py" for path in (root / name).glob("*.py")) for name in PACKAGES}


def main(root: Path = ROOT) -> None:
    """Print the figures."""
    modules = arrows(root)
    between = rooms(modules)
    files = [name for name, count in modules.out_degree if count or modules.in_degree(name)]
    walk, tour = longest(modules), longest(between)
    print(f"modules with an import to or from another: {len(files)}; arrows between modules: {modules.number_of_edges()}")
    print(f"rooms: {between.number_of_nodes()}; arrows between rooms: {between.number_of_edges()}")
    print(f"files directly in a package: {', '.join(f'{name} {count}' for name, count in flat(root).items())}")
    print(f"longest walk, modules: {len(walk)}: {' > '.join(walk)}")
    print(f"longest walk, rooms: {len(tour)}: {' > '.join(tour)}")
    for circle in nx.strongly_connected_components(between):
        if len(circle) > 1:
            print(f"circle of rooms: {', '.join(sorted(circle))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
