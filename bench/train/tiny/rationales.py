"""Worked solutions of the nine families of `mini`, as short text: what the warm start teaches a model to write before it answers.

A rationale reads from the state alone and names every step with its number, since a running tally beside each step is what models of this
size learn to count by (per-step work, then a total, they do not). Every rationale is a few plain sentences, and its last number or time
leads to the answer; that the answer follows is tested for every family.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import pairwise
from typing import Any, TypeVar

from bench.puzzle import Puzzle
from tasks.families import checker_move, clock, maze, move_box, n_queens, number_slide, rotting_kiwi, tower_of_hanoi, water_jugs
from tasks.family import asked
from tasks.registry import family

Node = TypeVar("Node", bound=Hashable)
_COMPASS = {(-1, 0): "up", (0, 1): "right", (1, 0): "down", (0, -1): "left"}


def rationale(puzzle: Puzzle) -> str:
    """The steps from what the picture of `puzzle` shows to its answer; worked out once for each puzzle.

    Raises:
        ValueError: the puzzle has no state, or its family has no rationale.
    """
    if puzzle.id not in _KNOWN:
        write = _WRITERS.get(puzzle.family)
        if write is None or puzzle.state is None:
            raise ValueError(f"puzzle: expected one of {', '.join(_WRITERS)} with its state, found {puzzle.family}")
        _KNOWN[puzzle.id] = write(family(puzzle.family).load(puzzle.state))
    return _KNOWN[puzzle.id]


_KNOWN: dict[str, str] = {}


def _way(start: Node, goal: Callable[[Node], bool], after: Callable[[Node], Iterable[Node]]) -> list[Node]:
    """A shortest way from `start` to a goal, both ends included: breadth first, ties by the order of `after`.

    Raises:
        ValueError: no goal can be reached.
    """
    came: dict[Node, Node | None] = {start: None}
    layer = [start]
    while layer:
        following: list[Node] = []
        for node in layer:
            if goal(node):
                way = [node]
                while (before := came[way[-1]]) is not None:
                    way.append(before)
                return way[::-1]
            for new in after(node):
                if new not in came:
                    came[new] = node
                    following.append(new)
        layer = following
    raise ValueError("state: expected a way to the goal, found none")


def _clock(state: clock.State) -> str:
    query = asked(state.query)
    sign, word = (1, "plus") if query.direction == "after" else (-1, "minus")
    now, sentences = state.hour * 60 + state.minute, list[str]()
    for amount, unit, minutes in ((query.hours, "hours", 60), (query.minutes, "minutes", 1)):
        if amount:
            then = now + sign * amount * minutes
            sentences.append(f"{clock.dial(now)} {word} {amount} {unit} is {clock.dial(then)}.")
            now = then
    return " ".join(sentences) or f"It is {clock.dial(now)}."


def _checker_move(state: checker_move.State) -> str:
    way = _way(state.start, lambda row: row == state.end, checker_move.moves_from)
    return " ".join(f"Move {number}: {' '.join(row)}." for number, row in enumerate(way[1:], 1))


def _maze(state: maze.State) -> str:
    """The best way cell by cell, heading by heading, with a tally of the turns that are asked about."""
    wanted = asked(state.query).what
    sentences, cells, tally = list[str](), 1, 0
    path = _best_path(state)
    headings = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(path)]
    for index, heading in enumerate(headings):
        cells += 1
        if index and heading == headings[index - 1]:
            sentences[-1] += f" {cells}"
            continue
        if index:
            before = headings[index - 1]
            left = before[0] * heading[1] - before[1] * heading[0] > 0
            tally += wanted == "total turns" or wanted == ("left turns" if left else "right turns")
        mark = "" if wanted == "cells" else f" turns {tally}"
        sentences.append(f"{_COMPASS[heading]}{mark}, {cells}")
    return "Go " + "; ".join(sentences) + "."


def _best_path(state: maze.State) -> list[tuple[int, int]]:
    """Fewest cells, then fewest turns, then fewest left turns: Dijkstra over cells and headings."""
    heap: list[tuple[int, int, int, list[tuple[int, int]]]] = [(1, 0, 0, [state.entry])]
    done: set[tuple[tuple[int, int], ...]] = set()
    while heap:
        cells, turns, lefts, path = heapq.heappop(heap)
        if path[-1] == state.exit:
            return path
        if tuple(path[-2:]) in done:
            continue
        done.add(tuple(path[-2:]))
        r, c = path[-1]
        for dr, dc in _COMPASS:
            to = (r + dr, c + dc)
            if not (1 <= to[0] <= len(state.rows) and 1 <= to[1] <= len(state.rows[0])) or state.rows[to[0] - 1][to[1] - 1] == "#":
                continue
            came = (r - path[-2][0], c - path[-2][1]) if len(path) > 1 else (dr, dc)
            turned, left = came != (dr, dc), came[0] * dc - came[1] * dr > 0
            heapq.heappush(heap, (cells + 1, turns + turned, lefts + (turned and left), [*path, to]))
    raise ValueError("exit: expected a way from the entry, found none")


def _move_box(state: move_box.State) -> str:
    floor = {(r, c) for r, row in enumerate(state.walls, 1) for c, mark in enumerate(row, 1) if mark == "."}

    def region(feet: move_box.Cell, box: move_box.Cell) -> frozenset[move_box.Cell]:
        seen, stack = {feet}, [feet]
        while stack:
            r, c = stack.pop()
            for dr, dc in _COMPASS:
                if (to := (r + dr, c + dc)) in floor and to != box and to not in seen:
                    seen.add(to)
                    stack.append(to)
        return frozenset(seen)

    def after(node: tuple[move_box.Cell, frozenset[move_box.Cell]]) -> Iterable[tuple[move_box.Cell, frozenset[move_box.Cell]]]:
        (r, c), around = node
        for dr, dc in _COMPASS:
            if (r - dr, c - dc) in around and (to := (r + dr, c + dc)) in floor:
                yield to, region((r, c), to)

    way = [box for box, _ in _way((state.box, region(state.person, state.box)), lambda node: node[0] == state.flag, after)]
    pushes = [_COMPASS[b[0] - a[0], b[1] - a[1]] for a, b in pairwise(way)]
    return "Push " + ", ".join(f"{heading} {number}" for number, heading in enumerate(pushes, 1)) + "."


def _n_queens(state: n_queens.State) -> str:
    (first, second), *_ = n_queens.completions(state)
    rows, columns = sorted((first[0], second[0])), sorted((first[1], second[1]))
    return (
        f"Free rows {rows[0]}, {rows[1]}, columns {columns[0]}, {columns[1]}. The squares are {first} and {second}. "
        f"{rows[1] - rows[0]} + {columns[1] - columns[0]} = {rows[1] - rows[0] + columns[1] - columns[0]}."
    )


def _number_slide(state: number_slide.State) -> str:
    query, side = asked(state.query), len(state.grid)
    if isinstance(query, number_slide.Reach):
        return " ".join(
            f"After {moves} there are {len(number_slide.reached_boards(state.grid, moves))}." for moves in range(1, query.moves + 1)
        )
    if isinstance(query, number_slide.Best):
        places = number_slide.edge_places(query.edge, side)
        lines = {tuple(board[place] for place in places) for board in number_slide.reached_boards(state.grid, query.moves)}
        best = (max if query.what == "maximum" else min)(lines, key=lambda line: (sum(line), line))
        return f"The line can be {_sum(best)}."
    steps, board = list[str](), state.grid
    for number, way in enumerate(query.path, 1):
        r, c = number_slide.open_place(board)
        board = number_slide.walked(board, (way,))
        steps.append(f"Move {number}: {way} {board[r][c]}: {', '.join(map(_listed, board))}.")  # the board, row after row
    row, column = number_slide.open_place(board)
    line = board[row] if query.line == "row" else tuple(other[column] for other in board)
    return " ".join([*steps, f"The {query.line} is {_sum(line) if query.what == 'sum' else _listed(line)}."])


def _sum(line: Iterable[int]) -> str:
    numbers = [number for number in line if number]
    return f"{' + '.join(map(str, numbers))} = {sum(numbers)}"


def _listed(line: Iterable[int]) -> str:
    return ", ".join(str(number or "open") for number in line)


def _rotting_kiwi(state: rotting_kiwi.State) -> str:
    minutes = rotting_kiwi.minutes_to_rot(state.grid)
    sentences = list[str]()
    for minute in range(1, max(minutes.values()) + 1):
        cells = sorted(place for place, when in minutes.items() if when == minute)
        sentences.append(f"Minute {minute}: {', '.join(f'{r + 1} {c + 1}' for r, c in cells)}.")
    return " ".join(sentences) or "Nothing is fresh."


def _tower_of_hanoi(state: tower_of_hanoi.State) -> str:
    def after(rods: tower_of_hanoi.Rods) -> Iterable[tower_of_hanoi.Rods]:
        for source, rod in enumerate(rods):
            for target, other in enumerate(rods):
                if rod and source != target and (not other or other[-1] > rod[-1]):
                    changed = list(rods)
                    changed[source], changed[target] = rod[:-1], (*other, rod[-1])
                    yield changed[0], changed[1], changed[2]

    way = _way(state.start, lambda rods: rods == state.end, after)
    sentences = list[str]()
    for number, (before, now) in enumerate(pairwise(way), 1):
        target = next(index for index in range(3) if len(now[index]) > len(before[index]))
        sentences.append(f"Move {number}: disk {now[target][-1]} to rod {target + 1}.")
    return " ".join(sentences)


def _water_jugs(state: water_jugs.State) -> str:
    query = asked(state.query)

    def after(amounts: water_jugs.Amounts) -> Iterable[water_jugs.Amounts]:
        for source in range(len(amounts)):
            for target in range(len(amounts)):
                poured = min(amounts[source], query.capacities[target] - amounts[target]) if source != target else 0
                if poured:
                    changed = list(amounts)
                    changed[source], changed[target] = changed[source] - poured, changed[target] + poured
                    yield tuple(changed)

    way = _way(state.amounts, lambda amounts: amounts == query.goal, after)
    return " ".join(f"Step {number}: {', '.join(map(str, amounts))}." for number, amounts in enumerate(way[1:], 1))


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "checker_move": _checker_move,
    "clock": _clock,
    "maze": _maze,
    "move_box": _move_box,
    "n_queens": _n_queens,
    "number_slide": _number_slide,
    "rotting_kiwi": _rotting_kiwi,
    "tower_of_hanoi": _tower_of_hanoi,
    "water_jugs": _water_jugs,
}
FAMILIES: tuple[str, ...] = tuple(_WRITERS)
"""The families that have rationales."""
