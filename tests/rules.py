"""The rules of the tree, each a function that lists what breaks it: lines that a person can act on, nothing where the rule holds.

Rules of reach follow imports transitively, whatever way they are written (`tests.arrows`), so a forbidden room cannot be entered by a
detour. `RULES` names them all; `tests.test_architecture` asks each of the checkout, and of a copy in which it is broken on purpose.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import TypeGuard

import networkx as nx

from tests.arrows import TOPS, Tree, nodes, room

GROUND = tuple(
    f"bench.{name}"
    for name in (
        *(
            "errors",
            "env",
            "extras",
            "plugins",
            "digest",
            "files",
            "versions",
            "suggest",
            "outcome",
            "mode",
            "image",
            "png",
            "degrade",
            "puzzle",
        ),
        *("trial", "prompt", "question", "defaults"),
    )
)
"""The ground floor: words that every room uses."""
CONTRACT = "bench.models.base"
"""What a request, a reply and a model are: data and a protocol, no provider. A trial and a record are made of it."""
FOR_TASKS = (
    *(f"bench.{name}" for name in ("errors", "extras", "plugins", "digest", "suggest", "image", "png", "puzzle")),
    "bench.stats.exact",
)
"""What the puzzles may know of the benchmark."""
HEAVY = ("numpy", "pandas", "pyarrow", "scipy", "torch", "transformers", "trl", "vllm", "datasets", "matplotlib", "anthropic", "openai")
RUN_FILES = ("TRIALS", "CAPTIONS", "PUZZLES", "RUN")
LINES, FUNCTION, OPTIONS = (
    420,
    60,
    ("margin", "alpha", "max_tokens", "concurrency", "attempts", "timeout", "timeout_s", "suite", "mode", "fmt"),
)
"""Longest file and function in lines; the options whose default may stand in one place only."""


def no_circle(tree: Tree) -> list[str]:
    """No module imports itself by a detour, and no room either."""
    graphs = (tree.graph, tree.rooms)
    return [" = ".join(sorted(circle)) for graph in graphs for circle in nx.strongly_connected_components(graph) if len(circle) > 1]


def ground_floor_reaches_nothing_above(tree: Tree) -> list[str]:
    """Except that `prompt` shows the notation of a family, and so reaches tasks."""
    above = [name for name in tree.files if name not in (*GROUND, CONTRACT)]
    without = tree.graph.copy()
    without.remove_edges_from(list(tree.graph.out_edges("bench.prompt")))
    for_prompt = [name for name in above if room(name).partition(".")[0] not in ("tasks", "prompts") and name not in FOR_TASKS]
    return tree.walks([*GROUND, CONTRACT], above, without) + tree.walks(["bench.prompt"], for_prompt)


def tasks_reach_little(tree: Tree) -> list[str]:
    """Puzzles stand on errors, digest, image, png, puzzle, exact statistics and the two doors for packages from outside."""
    return tree.walks(tree.within("tasks"), [name for name in tree.within("bench") if name not in FOR_TASKS])


def stats_reach_nothing_of_ours(tree: Tree) -> list[str]:
    """Statistics are mathematics."""
    inside = tree.within("bench.stats")
    return tree.walks(inside, [name for name in tree.files if name not in inside])


def report_reads_only_the_document_and_the_run(tree: Tree) -> list[str]:
    """A report is drawn from gap.json and from what a run stored: it asks no model, draws no puzzle and computes no gap."""
    providers = [name for name in tree.within("bench.models") if name not in ("bench.models", CONTRACT)]
    gap = [name for name in tree.within("bench.gap") if name not in ("bench.gap", "bench.gap.document", "bench.gap.sections")]
    return tree.walks(tree.within("bench.report"), [*providers, *gap, *tree.within("bench.runner", "tasks")])


def gap_never_reaches_the_runner(tree: Tree) -> list[str]:
    """Gaps are made of records, whoever wrote them."""
    return tree.walks(tree.within("bench.gap"), tree.within("bench.runner"))


def grader_never_reaches_the_store(tree: Tree) -> list[str]:
    """An answer is graded the same in a run, in a reward and in a notebook."""
    return tree.walks(tree.within("bench.grader"), tree.within("bench.store"))


def nobody_reaches_train_commands_or_cli(tree: Tree) -> list[str]:
    """They stand at the top; the public face and the programs may start them, nothing else."""
    tops = ("bench.train", "bench.commands", "bench.cli")
    below = [name for name in tree.files if room(name) not in tops and name not in TOPS]
    return tree.walks(below, tree.within(*tops)) + tree.walks(tree.within("bench.train"), tree.within("bench.commands", "bench.cli"))


def nobody_inside_uses_the_public_face(tree: Tree) -> list[str]:
    """`import bench` and `bench.api` are for people outside: inside, a module names the room that it needs."""
    inside = [name for name in tree.files if name not in ("bench", "bench.api", "bench.notebook", *TOPS) and room(name) != "bench.commands"]
    face = [name for name in ("bench", "bench.api", "bench.notebook") if name in tree.files]
    return [f"{name} > {target}" for name in inside for target in face if tree.graph.has_edge(name, target)]


def one_module_reads_the_environment(tree: Tree) -> list[str]:
    """`bench.env` alone."""
    found = re.compile(r"os\.environ|getenv|from os import .*environ")
    return [name for name, text in tree.texts.items() if name != "bench.env" and found.search(text)]


def only_the_store_knows_the_files_of_a_run(tree: Tree) -> list[str]:
    """The names of run.json and the .jsonl files are spelled, imported and opened in `bench.store` alone."""
    found: list[str] = []
    for name, node in _nodes(tree, "bench"):
        if room(name) == "bench.store":
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bench.store"):
            found += [f"{name}:{node.lineno} imports {alias.name}" for alias in node.names if alias.name in RUN_FILES]
        if (
            _is_text(node) and re.fullmatch(r"[a-z_-]+\.jsonl|run\.json", str(node.value)) and node.value != "requests.jsonl"
        ):  # an upload's name
            found.append(f"{name}:{node.lineno} spells {node.value}")
    return found


def only_question_asks(tree: Tree) -> list[str]:
    """The solve and readback prompts are rendered in `bench.question`: every way of asking shows a model the same words."""
    prompts = ("solve_prompt", "readback_prompt")
    return [
        f"{name}:{node.lineno} imports {alias.name}"
        for name, node in _nodes(tree, "bench", *TOPS)
        if isinstance(node, ast.ImportFrom) and node.module == "bench.prompt" and name != "bench.question"
        for alias in node.names
        if alias.name in prompts
    ]


def only_counted_decides_who_counts(tree: Tree) -> list[str]:
    """`Outcome.counted` is the one place that puts errors and failed captions aside."""
    excluded = {"ERROR", "CAPTION_FAILED"}, {"error", "caption_failed"}
    found: list[str] = []
    for name, node in _nodes(tree, "bench"):
        if name != "bench.outcome" and isinstance(node, ast.Tuple | ast.List | ast.Set):
            words = {part.attr for inner in node.elts for part in ast.walk(inner) if isinstance(part, ast.Attribute)}
            texts = {part.value for part in node.elts if _is_text(part)}
            if excluded[0] <= words or texts == excluded[1]:
                found.append(f"{name}:{node.lineno}")
    return found


def each_default_once(tree: Tree) -> list[str]:
    """The default of an option is written in one place; wherever else it is needed, that place is named."""
    places: dict[str, set[str]] = defaultdict(set)
    for name, node in _nodes(tree, "bench", "sightgap"):
        if room(name) != "bench.train":  # recipes have values of their own
            for option, value, line in _defaults(node):
                if option in OPTIONS and isinstance(value, str | int | float) and value not in (0, 1, ""):
                    places[option].add(f"{name}:{line}")
    return [f"{option}: {', '.join(sorted(where))}" for option, where in sorted(places.items()) if len(where) > 1]


def public_class_names_are_unique(tree: Tree) -> list[str]:
    """One word, one thing. The State and Query of a family are named by its contract."""
    homes: dict[str, list[str]] = defaultdict(list)
    for name, parsed in tree.parsed.items():
        for node in parsed.body:
            if (
                isinstance(node, ast.ClassDef)
                and not node.name.startswith("_")
                and not (room(name) == "tasks.families" and node.name in ("State", "Query"))
            ):
                homes[node.name].append(name)
    return [f"{cls}: {', '.join(where)}" for cls, where in sorted(homes.items()) if len(where) > 1]


def late_imports_go_through_extras(tree: Tree) -> list[str]:
    """`bench.extras` is the one place that imports by name."""
    return [
        f"{name}:{node.lineno}"
        for name, node in _nodes(tree, "bench", "tasks", *TOPS)
        if name != "bench.extras"
        and (
            (isinstance(node, ast.Attribute) and node.attr == "import_module")
            or (isinstance(node, ast.alias) and node.name == "import_module")
        )
    ]


def nothing_heavy_with_the_listings(tree: Tree) -> list[str]:
    """No heavy package is imported at the top of a module that `--help`, `models list` or `tasks list` imports."""
    light = [
        "bench.cli",
        "bench.commands.models",
        "bench.commands.tasks",
        "tasks.tools.catalog",
        "bench.models.registry",
        *tree.within("tasks.families"),
    ]
    loaded: nx.DiGraph[str] = nx.DiGraph([(name, target) for name, parsed in tree.parsed.items() for target in _loaded(tree, parsed)])
    reached = {target for name in light if name in loaded for target in nx.single_source_shortest_path_length(loaded, name)}
    return [
        f"{name} imports {package}"
        for name in sorted(reached & set(tree.files))
        for package in sorted({target.partition(".")[0] for target in _imported(tree.parsed[name])} & set(HEAVY))
    ]


def files_and_functions_are_short(tree: Tree) -> list[str]:
    """A file of `LINES` lines, a function of `FUNCTION`."""
    long = [f"{name}: {count} lines" for name, text in tree.texts.items() if (count := text.count("\n")) > LINES]
    for name, node in _nodes(tree, *("bench", "tasks"), *TOPS):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= FUNCTION:
            long.append(f"{name}.{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines")
    return long


def nothing_catches_everything(tree: Tree) -> list[str]:
    """A broad `except` hides faults. The one at the very top (`bench.faults`) writes them down and exits 70."""
    broad = ("Exception", "BaseException")
    return [
        f"{name}:{node.lineno}"
        for name, node in _nodes(tree, "bench", "tasks", *TOPS)
        if isinstance(node, ast.ExceptHandler)
        and name != "bench.faults"
        and (node.type is None or any(isinstance(part, ast.Name) and part.id in broad for part in ast.walk(node.type)))
    ]


def _nodes(tree: Tree, *packages: str) -> Iterator[tuple[str, ast.AST]]:
    for name in tree.within(*packages):
        yield from ((name, node) for node in nodes(tree.texts[name]))


def _is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _defaults(node: ast.AST) -> Iterator[tuple[str, object, int]]:
    """Literal defaults: of a function's parameters, of a class's fields, of a command-line option."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        names = [*node.args.posonlyargs, *node.args.args]
        given = [
            *zip(reversed(names), reversed(node.args.defaults), strict=False),
            *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True),
        ]
        yield from ((name.arg, value.value, value.lineno) for name, value in given if isinstance(value, ast.Constant))
    elif isinstance(node, ast.ClassDef):
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(field.value, ast.Constant):
                yield field.target.id, field.value.value, field.lineno
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
        flags = [argument.value for argument in node.args if _is_text(argument)]
        for keyword in node.keywords:
            if keyword.arg == "default" and flags and isinstance(keyword.value, ast.Constant):
                yield str(flags[0]).lstrip("-").replace("-", "_"), keyword.value.value, node.lineno


def _top(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported, but for what stands under TYPE_CHECKING and in functions."""
    for statement in statements:
        yield statement
        if isinstance(statement, ast.If) and "TYPE_CHECKING" not in ast.dump(statement.test):
            yield from _top([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try):
            yield from _top(statement.body)


def _imported(parsed: ast.Module) -> Iterator[str]:
    for statement in _top(parsed.body):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield statement.module
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def _loaded(tree: Tree, parsed: ast.Module) -> Iterator[str]:
    """Modules of ours that are loaded with a module, the packages that they lie in included."""
    for target in _imported(parsed):
        parts = target.split(".")
        yield from (name for count in range(1, len(parts) + 1) if (name := ".".join(parts[:count])) in tree.files)


Rule = Callable[[Tree], list[str]]
RULES: Mapping[Rule, tuple[str, str]] = {
    no_circle: ("bench/digest.py", "import bench.puzzle"),
    ground_floor_reaches_nothing_above: ("bench/image.py", "from bench.stats import rates"),
    tasks_reach_little: ("tasks/kit/tiling.py", "def late():\n    from bench import mode"),
    stats_reach_nothing_of_ours: ("bench/stats/power.py", "from bench import errors"),
    report_reads_only_the_document_and_the_run: ("bench/report/words.py", 'LATE = "bench.models.api.openai:Chat"'),
    gap_never_reaches_the_runner: ("bench/gap/notes.py", 'def late(optional):\n    return optional("bench.runner.plan", "x")'),
    grader_never_reaches_the_store: ("bench/grader/cues.py", "if 1:\n    import bench.store.reader"),
    nobody_reaches_train_commands_or_cli: ("bench/comparison/result.py", 'def late(name):\n    return f"bench.commands.{name}"'),
    nobody_inside_uses_the_public_face: ("bench/runner/progress.py", "from bench import Runs"),
    one_module_reads_the_environment: ("bench/mode.py", "import os\nHOME = os.environ"),
    only_the_store_knows_the_files_of_a_run: ("bench/gap/cells.py", 'NAME = "trials.jsonl"'),
    only_question_asks: ("bench/runner/captioner.py", "from bench.prompt import solve_prompt"),
    only_counted_decides_who_counts: ("bench/gap/cells.py", 'EXCLUDED = ("error", "caption_failed")'),
    each_default_once: ("bench/models/registry.py", "def a(timeout=9): ...\ndef b(timeout=8): ..."),
    public_class_names_are_unique: ("bench/mode.py", "class Puzzle: ..."),
    late_imports_go_through_extras: ("bench/mode.py", "from importlib import import_module"),
    nothing_heavy_with_the_listings: ("tasks/kit/notation.py", "from scipy import special"),
    files_and_functions_are_short: ("bench/mode.py", "def long():\n" + "    x = 1\n" * FUNCTION),
    nothing_catches_everything: ("bench/mode.py", "try:\n    X = 1\nexcept (ValueError, Exception):\n    pass"),
}
"""Every rule, and a file with lines that break it."""
