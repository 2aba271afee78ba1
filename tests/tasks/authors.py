"""Public sets of our own drawing, in the authors' layout: their file names, fields and traps, none of their rows.

Latent states are sampled by the families here and written as the authors write them, so that what reads their files can be tried in any
clone. The set has ten rows a family and the oddities of the real one: PNG bytes under `.jpg` names, a picture of 3,179 px, integers among
the answers, times written `0:37`, a family in which every right option is D, captions that two rows with different answers share.
"""

from __future__ import annotations

import datetime
import io
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from tasks.families import chain_link, checker_move, maze, move_box, number_slide, think_dot, wheel_of_fortune, wood_slide
from tasks.kit.tiling import UNIT
from tasks.registry import FAMILIES, family
from tests.tasks.puzzlevqa_worlds import INSUFFICIENT, SUFFICIENT

ROWS = 10
Solution = dict[str, Any]
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")


def _board_tile(state: Any) -> Solution:
    return {"rows": state.rows, "columns": state.columns, "removed_positions": [[r - 1, c - 1] for r, c in state.removed]}


def _calendar(state: Any) -> Solution:
    query, step = state.query, {"previous": -1, "that": 0, "next": 1}[state.query.year]
    shown, asked = MONTHS.index(state.month) + 1, MONTHS.index(query.month) + 1

    def leap(year: int) -> bool:
        return (datetime.date(year, 12, 31) - datetime.date(year, 1, 1)).days == 365

    year = next(
        year
        for year in range(1901, 2899)
        if f"{datetime.date(year, shown, 1):%A}" == state.first
        and leap(year) == query.leap
        and (query.other_leap is None or leap(year + step) == query.other_leap)
    )
    dates = {"image_month": [shown, state.month], "query_month": [asked, query.month], "query_day": query.day}
    return {"image_year": year, "query_year": year + step, **dates}


def _chain_link(state: chain_link.State) -> Solution:
    """With the authors' way: pieces are taken off the end of the shortest run until a necklace can be made."""
    assert state.query is not None
    runs, steps = Counter(state.lengths), list[list[int]]()
    cuts = opened = state.open
    while True:
        steps.append([cuts, *(runs[pieces] for pieces in range(1, max(state.lengths) + 1))])
        if cuts >= runs.total():
            break
        shortest = min(runs)
        runs[shortest] -= 1
        if shortest > 1:
            runs[shortest - 1] += 1
        runs += Counter()
        cuts += 1
    return {"steps": steps, "cuts": cuts - opened, "each_cut_time": state.query.cut, "each_join_time": state.query.weld}


def _checker_move(state: checker_move.State) -> Solution:
    made, rows = checker_move.CheckerMove(), [state.start]
    while rows[-1] != state.end:
        left = int(made.solve(replace(state, start=rows[-1])))
        rows.append(next(row for row in checker_move.moves_from(rows[-1]) if _moves(row, state.end) == left - 1))
    return {"start_position": state.start, "end_position": state.end, "moves": rows}


def _moves(start: str, end: str) -> int:
    try:
        return int(checker_move.CheckerMove().solve(checker_move.State(start, end)))
    except ValueError:
        return -1


def _clock(state: Any) -> Solution:
    verb = "add" if state.query.direction == "after" else "subtract"
    return {
        "current_hour": state.hour,
        "current_minute": state.minute,
        f"{verb}_hour": state.query.hours,
        f"{verb}_minute": state.query.minutes,
    }


def _colour_hue(state: Any) -> Solution:
    def grid(board: Any) -> list[list[list[int]]]:
        return [[list(bytes.fromhex(tile[1:])) for tile in row] for row in board]

    place = {tile: index for index, tile in enumerate(tile for row in state.ideal for tile in row)}
    order = [place[tile] for row in state.shuffled for tile in row]
    return {"shuffled_grid": grid(state.shuffled), "ideal_grid": grid(state.ideal), "shuffled_order": order}


def _map(state: Any) -> Solution:
    known = {str(n): colour.capitalize() for n, colour in enumerate(state.colours, 1) if colour != "white"}
    return {
        "polygon_vertices": {str(n): [[x / UNIT, 1 - y / UNIT] for x, y in corners] for n, corners in enumerate(state.layout, 1)},
        "polygon_adjacency_list": [list(pair) for pair in state.borders],
        "known_colours": known,
        "possible_colours_of_unknown": list(range(int(family("map").solve(state)))),
    }


def _maze(state: maze.State) -> Solution:
    made = maze.Maze()
    ends = [[r - 1, c - 1] for r, c in (state.entry, state.exit)]
    kinds: Mapping[str, Any] = {
        "left_turns": "left turns", "right_turns": "right turns", "total_turns": "total turns", "optimal_path_length": "cells",
    }  # fmt: skip
    counts = {key: int(made.solve(replace(state, query=maze.Query(what)))) for key, what in kinds.items()}
    return {"maze": [[int(cell == "#") for cell in row] for row in state.rows], "optimal_path": ends, **counts}


def _move_box(state: move_box.State) -> Solution:
    made, grid = move_box.MoveBox(), [list(row) for row in state.walls]
    for (row, column), mark in ((state.flag, "T"), (state.box, "B"), (state.person, "S")):
        grid[row - 1][column - 1] = mark
    places, person = [state.box], state.person
    while places[-1] != state.flag:
        left = int(made.solve(replace(state, box=places[-1], person=person)))
        nearer = [cell for cell in _beside(places[-1]) if _pushes(state, cell, places[-1]) == left - 1]
        person, box = places[-1], nearer[0]
        places.append(box)
    return {"timestep": {"grid_0": grid}, "box_location": [[r - 1, c - 1] for r, c in places], "target": [at - 1 for at in state.flag]}


def _beside(cell: tuple[int, int]) -> list[tuple[int, int]]:
    row, column = cell
    return [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]


def _pushes(state: move_box.State, box: tuple[int, int], person: tuple[int, int]) -> int:
    if state.walls[box[0] - 1][box[1] - 1] == "#":
        return -1
    if box == state.flag:
        return 0
    try:
        return int(move_box.MoveBox().solve(replace(state, box=box, person=person)))
    except (ValueError, KeyError):
        return -1


def _n_queens(state: Any) -> Solution:
    return {"rows": state.size, "columns": state.size, "given_queen_positions": [[r - 1, c - 1] for r, c in state.queens]}


def _number_slide(state: number_slide.State) -> Solution:
    moves = len(state.query.path) if isinstance(state.query, number_slide.Walk) else state.query.moves if state.query else 0
    reached = family("number_slide").solve(replace(state, query=number_slide.Reach(moves)))
    return {"starting_grid": [list(row) for row in state.grid], "total_moves": moves, "unique_positions": int(reached)}


def _rotting_kiwi(state: Any) -> Solution:
    ids = {kind: number for number, kind in enumerate(sorted({"rotten", "fresh", "empty"} | {cell for row in state.grid for cell in row}))}
    return {"ids": ids, "timestep": {"minute_0": [[ids[cell] for cell in row] for row in state.grid]}}


def _rubiks_cube(state: Any) -> Solution:
    from tests.tasks.test_rubiks_cube import faces, turned_in_space

    start, query = faces(state), state.query
    end = turned_in_space(start, query.moves)
    return {"moves": query.moves, "query_face": query.face, "query_colour": query.colour, "start_position": start, "end_position": end}


def _think_dot(state: think_dot.State) -> Solution:
    from tests.tasks.test_think_dot import faces_by_visits

    assert state.query is not None
    after = [_toy_rows(faces_by_visits(state, state.query.moves[:count])) for count in range(1, len(state.query.moves) + 1)]
    return {"start_state": _toy_rows(list(state.faces)), "moves": list(state.query.moves), "state_after_moves": after}


def _toy_rows(faces: list[Any]) -> list[list[Any]]:
    return [faces[:3], faces[3:5], faces[5:]]


def _tower_of_hanoi(state: Any) -> Solution:
    return {"start_position": [list(rod) for rod in state.start], "end_position": [list(rod) for rod in state.end]}


def _water_jugs(state: Any) -> Solution:
    return {"start": list(state.amounts), "capacities": list(state.query.capacities), "end": list(state.query.goal)}


def _wheel_of_fortune(state: wheel_of_fortune.State) -> Solution:
    query = state.query
    assert query is not None
    turn = query.amount * (360 if query.unit == "rotations" else 1) * (1 if query.direction == "counterclockwise" else -1)
    prizes = [segment.prize.lower() for segment in state.segments]
    return {
        "arrow_at": state.arrow,
        "direction": query.direction,
        "original_boundaries": [segment.start for segment in state.segments],
        "original_prizes": prizes,
        "original_colors": [segment.colour for segment in state.segments],
        "rotated_boundaries": [(segment.start + turn) % 360 for segment in state.segments],
        "rotated_prizes": [segment.prize for segment in state.segments],
    }


def _wood_slide(state: wood_slide.State) -> Solution:
    made, grids = wood_slide.WoodSlide(), [state.start]
    while grids[-1] != state.end:
        left = int(made.solve(wood_slide.State(grids[-1], state.end)))
        grids.append(next(grid for grid in _slides(grids[-1]) if _slide_moves(grid, state.end) == left - 1))
    written = [" ".join(row.replace(".", "0") for row in grid) for grid in grids]
    return {"start_position": written[0], "end_position": written[-1], "moves": written}


def _slide_moves(start: tuple[str, ...], end: tuple[str, ...]) -> int:
    return 0 if start == end else int(wood_slide.WoodSlide().solve(wood_slide.State(start, end)))


def _slides(grid: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Every arrangement one move after `grid`."""
    cells = {(r, c): mark for r, row in enumerate(grid) for c, mark in enumerate(row)}
    found: list[tuple[str, ...]] = []
    for block in sorted(set(cells.values()) - {"."}):
        for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            moved = {(r + down, c + across) for (r, c), mark in cells.items() if mark == block}
            if all(cells.get(place) in (".", block) for place in moved):
                after = {place: "." if mark == block else mark for place, mark in cells.items()} | dict.fromkeys(moved, block)
                found.append(tuple("".join(after[r, c] for c in range(len(grid[0]))) for r in range(len(grid))))
    return found


SOLUTIONS: Mapping[str, Callable[[Any], Solution]] = {
    "board_tile": _board_tile,
    "calendar": _calendar,
    "chain_link": _chain_link,
    "checker_move": _checker_move,
    "clock": _clock,
    "colour_hue": _colour_hue,
    "map": _map,
    "maze": _maze,
    "move_box": _move_box,
    "n_queens": _n_queens,
    "number_slide": _number_slide,
    "rotting_kiwi": _rotting_kiwi,
    "rubiks_cube": _rubiks_cube,
    "think_dot": _think_dot,
    "tower_of_hanoi": _tower_of_hanoi,
    "water_jugs": _water_jugs,
    "wheel_of_fortune": _wheel_of_fortune,
    "wood_slide": _wood_slide,
}


def algorithmic_row(name: str, index: int) -> dict[str, Any]:
    """Row `index` of family `name`, without its picture: the first edition asks in the authors' words."""
    made, rng = family(name, 1), random.Random(f"authors' layout {name} {index}")
    state = made.sample(rng, 1 + index % 2)
    if name == "think_dot":  # in the public toy a disc's face fixes its lever
        state = made.from_public({"question": made.ask(state), "solution": _think_dot(state)})
    answer = made.solve(state)
    options = [answer, *list(made.distractors(state))[:3]]
    rng.shuffle(options)
    if name == "clock" and answer.startswith("12:"):
        options = ["0" + option[2:] if option == answer else option for option in options]
        answer = "0" + answer[2:]
    whole = name in ("chain_link", "checker_move", "map", "tower_of_hanoi") and all(option.isdigit() for option in options)
    return {
        "image": f"images/{name}/{name}_{index:04d}.jpg",
        "question": made.ask(state),
        "options": [int(option) for option in options] if whole else options,
        "answer": int(answer) if whole else answer,
        "solution": SOLUTIONS[name](state),
    }


def captioned_row(name: str, index: int) -> dict[str, Any]:
    """Row `index` of the captioned family `name`."""
    seed = 0 if name == "shape_morph" and index == 2 else index
    world = {**SUFFICIENT, **INSUFFICIENT}[name](random.Random(f"authors' layout {name} {seed}"))
    options, answer = list(world.options), world.answer
    if name == "grid_number":
        options = [*(option for option in options if option != answer), answer]
    if seed != index:  # one caption, another missing end
        answer = next(option for option in options if option != answer)
    return {
        "image": f"images/{name}/{name}_{index:04d}.png",
        "question": world.question,
        "options": [int(option) if option.isdigit() and index % 2 else option for option in options],
        "answer": int(answer) if answer.isdigit() and index % 2 else answer,
        "caption": world.caption,
        "explanation": "",
        "deduction": "",
    }


def write_authors(root: Path) -> Path:
    """Write both sets under `root`, as in the authors' clone."""
    for folder, names, row in (
        ("AlgoPuzzleVQA", FAMILIES, algorithmic_row),
        ("PuzzleVQA", (*SUFFICIENT, *INSUFFICIENT), captioned_row),
    ):
        data = root / folder / "data"
        for number, name in enumerate(names):
            (data / "images" / name).mkdir(parents=True)
            rows = [row(name, index) for index in range(ROWS)]
            (data / f"{name}.json").write_text("".join(json.dumps(item) + "\n" for item in rows))
            for index, item in enumerate(rows):
                (data / item["image"]).write_bytes(_picture(name, number, index, item))
    return root


def _picture(name: str, number: int, index: int, row: Mapping[str, Any]) -> bytes:
    """The drawn state; for captions, which nothing here draws, a plain picture that no other row has."""
    if "solution" in row:
        made = family(name, 1)
        image = made.draw(made.from_public(row), 168)
        if name == "clock" and index == 0:
            image = image.resize((3179, 3179))
    else:
        image = Image.new("RGB", (40 + number, 40 + index), (5 * number, 20 * index, 90))
    kind = "PNG" if name == "rotting_kiwi" or row["image"].endswith(".png") else "JPEG"
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()
