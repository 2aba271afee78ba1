"""Captions made from the templates of PuzzleVQA with random values, their answers known by construction: a second source of rows.

It shares nothing with the solvers of `tasks.public.puzzlevqa`, and draws from wider vocabularies than the set does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "teal", "pink", "dark grey")
SHAPES = ("triangle", "square", "pentagon", "hexagon", "circle", "star", "octagon")
SIZES = ("tiny", "small", "medium", "large", "huge")
NUMBERS = tuple(range(1, 10))
T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """A caption with its question, the answer, and options among which it is (as text, as the loader gives them)."""

    question: str
    caption: str
    answer: str
    options: tuple[str, ...]


def _world(rng: random.Random, caption: str, answer: object, pool: Sequence[object], question: str = "What is missing?") -> World:
    others = sorted({str(value) for value in pool} - {str(answer)})
    options = [str(answer), *rng.sample(others, min(3, len(others)))]
    return World(question, caption, str(answer), tuple(rng.sample(options, len(options))))


def _hide(values: list[T], place: int) -> tuple[list[T | str], T]:
    shown: list[T | str] = [*values]
    shown[place] = "?"
    return shown, values[place]


def _rows(values: Sequence[T], width: int = 3) -> list[list[T]]:
    return [list(values[i : i + width]) for i in range(0, len(values), width)]


def _paired(rng: random.Random, pool: Sequence[T]) -> tuple[list[T | str], T]:
    values = rng.sample([*rng.sample(pool, 3)] * 2, 6)
    return _hide(values, rng.randrange(6))


def _triangle_of_six(values: Sequence[object], kind: str, of: str) -> str:
    return (
        f"There are 6 {kind} polygons arranged in a triangle with {of} {list(values[:1])} in the top row, "
        f"{list(values[1:3])} in the middle row, and {list(values[3:])} in the bottom row."
    )


def circle_size_number(rng: random.Random) -> World:
    shown, answer = _paired(rng, range(1, 20))
    return _world(
        rng,
        f"There are 6 numbered circles with varying sizes arranged in a ring with number {shown} in a clockwise order.",
        answer,
        range(1, 20),
    )


def polygon_sides_color(rng: random.Random) -> World:
    shown, answer = _paired(rng, COLOURS)
    return _world(rng, _triangle_of_six(shown, "colored", "color"), answer, COLOURS)


def polygon_sides_number(rng: random.Random) -> World:
    shown, answer = _hide(rng.sample(range(3, 10), 6), rng.randrange(6))
    return _world(rng, _triangle_of_six(shown, "numbered", "number"), answer, range(3, 10))


def _grid(rng: random.Random, pool: Sequence[str]) -> tuple[list[list[str]], str]:
    corner, side, centre = rng.sample(pool, 3)
    shown, answer = _hide([corner, side, corner, side, centre, side, corner, side, corner], rng.choice((0, 1, 2, 3, 5, 6, 7, 8)))
    return _rows(shown), answer


def color_grid(rng: random.Random) -> World:
    (a, b, c), answer = _grid(rng, COLOURS)
    return _world(
        rng,
        f"There are circles with different colors arranged with a grid formation in the image. The colors in the first row are {a}, "
        f"the colors in the second row are {b}, and the colors in the third row are {c}.",
        answer,
        COLOURS,
    )


def size_grid(rng: random.Random) -> World:
    (a, b, c), answer = _grid(rng, SIZES)
    return _world(
        rng,
        f"There are circles arranged in a grid formation with varying sizes in the image. The sizes in the first row are {a}, "
        f"the sizes in the second row are {b}, and the sizes in the third row are {c}.",
        answer,
        SIZES,
    )


def color_hexagon(rng: random.Random) -> World:
    shown, answer = _hide(rng.sample(COLOURS, 3) * 2, rng.randrange(6))
    caption = f"There is a hexagon split into six parts with the colors {shown} in an anti-clockwise order."
    return _world(rng, caption, answer, COLOURS)


def color_number_hexagon(rng: random.Random) -> World:
    firsts = rng.sample(NUMBERS, 3)
    total = rng.randint(max(firsts) + 1, 18)
    parts = rng.sample([*zip(rng.sample(COLOURS, 3) * 2, firsts + [total - n for n in firsts], strict=True)], 6)
    shown, answer = _hide([n for _, n in parts], rng.randrange(6))
    return _world(
        rng,
        f"There is a hexagon split into six parts with the colors {[c for c, _ in parts]} in an anti-clockwise order. "
        f"The parts are denoted with the numbers {shown} respectively.",
        answer,
        range(18),
    )


def color_overlap_squares(rng: random.Random) -> World:
    a, b, c = rng.sample(("red", "yellow", "blue"), 3)
    mix = {"b": "green", "o": "orange", "p": "purple"}
    ab, bc = (mix["o" if "blue" not in two else "b" if "yellow" in two else "p"] for two in ((a, b), (b, c)))
    shown, answer = _hide([a, b, c], rng.choice((0, 2)))
    return _world(
        rng,
        f"There are 3 squares which overlap each other in the image. The color of the squares are {shown}. "
        f"The part where the first and second squares overlap is {ab}. The part where the second and third squares overlap is {bc}.",
        answer,
        COLOURS[:6],
    )


def color_size_circle(rng: random.Random) -> World:
    hue = rng.choice(("blue", "teal", "pink", "red"))
    near, far = rng.sample(("light", "dark"), 2)
    circles = [("small", f"{far} {hue}"), ("medium", f"medium {hue}"), ("large", f"{near} {hue}"), ("extra large", f"very {near} {hue}")]
    circles = rng.sample(circles, 4)
    shown, answer = _hide([colour for _, colour in circles], rng.randrange(4))
    return _world(
        rng,
        f"There are circles of various sizes and colors in the image. The circles are {[size for size, _ in circles]} size, "
        f"and their colors are {shown}.",
        answer,
        [f"{shade} {other}" for shade in ("light", "medium", "dark", "very light", "very dark") for other in (hue, "green")],
    )


def grid_number(rng: random.Random) -> World:
    while True:
        cells = [rng.randint(1, 9) for _ in range(9)]
        if len({sum(row) for row in _rows(cells)}) == 1:
            break
    shown, answer = _hide(cells, rng.randrange(9))
    a, b, c = _rows(shown)
    return _world(
        rng, f"There is a 3x3 grid of numbers. The first row is {a}. The second row is {b}. The third and last row is {c}.", answer, NUMBERS
    )


def grid_number_color(rng: random.Random) -> World:
    numbers, colours = rng.sample(range(1, 30), 4), rng.sample(COLOURS, 4)
    pairs = rng.sample([*zip(numbers, colours, strict=True)] * 2 + [(numbers[3], "?")], 9)
    a, b, c = _rows(pairs)
    return _world(
        rng,
        f"There is a 3x3 colored grid of numbers. The first row has number-color pair {a}, the second row is {b}, "
        f"and the third and final row is {c}.",
        colours[3],
        COLOURS,
        f"What is the missing color if the part denoted with the question mark has the number {numbers[3]}?",
    )


def _rectangles(rng: random.Random, values: Sequence[T]) -> tuple[list[T | str], list[str], T]:
    kinds = [*zip(values, ("short", "medium", "long"), strict=True)]
    bars = [*rng.sample(kinds * 2, 6), rng.choice(kinds)]
    shown, answer = _hide([value for value, _ in bars], 6)
    return shown, [length for _, length in bars], answer


def rectangle_height_color(rng: random.Random) -> World:
    shown, lengths, answer = _rectangles(rng, rng.sample(COLOURS, 3))
    return _world(
        rng,
        f"There are 7 rectangles in the image with varying colors and lengths. The lengths from left to right are {lengths}. "
        f"The colors from left to right are {shown}.",
        answer,
        COLOURS,
    )


def rectangle_height_number(rng: random.Random) -> World:
    shown, lengths, answer = _rectangles(rng, rng.sample(NUMBERS, 3))
    return _world(
        rng,
        f"There are 7 rectangles in the image with varying lengths and numbers inside them. The numbers from left to right are {shown}. "
        f"The lengths from left to right are {lengths}.",
        answer,
        NUMBERS,
    )


def shape_morph(rng: random.Random) -> World:
    shown, answer = _hide(rng.sample(SHAPES, 2), rng.randrange(2))
    return _world(
        rng,
        f"There are eight shapes arranged in a grid. The top left shape is a {shown[0]} and the bottom right shape is a {shown[1]}. "
        "The other shapes do not appear to regular shapes.",
        answer,
        SHAPES,
    )


def shape_reflect(rng: random.Random) -> World:
    shown, answer = _hide(rng.sample(SHAPES, 3) * 2, rng.randrange(6))
    return _world(
        rng,
        f"There are six shapes in the image separated by a line. In the top part there are {shown[:3]}. "
        f"In the bottom part there are {shown[3:]}.",
        answer,
        SHAPES,
    )


def shape_size_grid(rng: random.Random) -> World:
    shapes, sizes = rng.sample(SHAPES, 3), rng.sample(SIZES, 3)
    cells = [(size, shape) for shape in shapes for size in sizes]
    if rng.random() < 0.5:
        cells = [(size, shape) for size in sizes for shape in shapes]
    place = rng.randrange(9)
    shown, _ = _hide([f"{size} {shape}" for size, shape in cells], place)
    a, b, c = _rows(shown)
    return _world(
        rng,
        f"There are 9 shapes arranged in a grid with different sizes in the image, of which there is 1 missing shape. "
        f"The first row is {a}, the second row is {b}, and the third row is {c}.",
        cells[place][0],
        SIZES,
    )


def shape_size_hexagon(rng: random.Random) -> World:
    shapes, sizes, place = rng.sample(SHAPES, 3), rng.sample(SIZES, 3), rng.randrange(3)
    return _world(
        rng,
        f"There are 7 shapes with different sizes in the image, of which there is a missing {shapes[place]} in the center. "
        f"The other shapes are arranged around the center, which are {shapes * 2} in anti-clockwise order. "
        f"Their corresponding sizes are {sizes * 2}.",
        sizes[place],
        SIZES,
        f"What is the size of the missing shape denoted with a question mark if it is a {shapes[place]}?",
    )


def size_cycle(rng: random.Random) -> World:
    shown, answer = _hide(rng.sample(SIZES, 3) * 3, rng.randrange(9))
    a, b, c = _rows(shown)
    return _world(
        rng,
        f"There are circles arranged in a spiral with three arms. The first arm has circles of sizes {a}, "
        f"the second arm has circles of sizes {b}, and the third arm has circles of sizes {c}.",
        answer,
        SIZES,
    )


def triangle(rng: random.Random) -> World:
    factors = rng.sample(NUMBERS, 6)
    groups = [n for a, b in zip(factors[:3], factors[3:], strict=True) for n in (a, b, a * b)]
    shown, answer = _hide(groups, rng.randrange(9))
    a, b, c = _rows(shown)
    return _world(
        rng,
        f"There are three groups of numbers with a triangle arrangement in the image. The first group is {a}, "
        f"the second group is {b}, and the third group is {c}.",
        answer,
        range(100 if answer > 10 else 10),
    )


def venn(rng: random.Random) -> World:
    a, b, c = rng.sample(NUMBERS, 3)
    shown, answer = _hide([a, b, c], rng.choice((0, 2)))
    return _world(
        rng,
        f"There are 3 overlapping circles containing the numbers {shown}. The overlapping part between the first and second circle "
        f"contains the number {a + b}. The overlapping part between the second and third circle contains the number {b + c}.",
        answer,
        range(10),
    )


SUFFICIENT: Mapping[str, Callable[[random.Random], World]] = {
    make.__name__: make
    for make in (
        circle_size_number, color_grid, color_hexagon, color_number_hexagon, color_overlap_squares, color_size_circle, grid_number,
        grid_number_color, polygon_sides_color, rectangle_height_color, rectangle_height_number, shape_reflect, shape_size_grid,
        shape_size_hexagon, size_cycle, size_grid, triangle, venn,
    )
}  # fmt: skip
INSUFFICIENT: Mapping[str, Callable[[random.Random], World]] = {make.__name__: make for make in (polygon_sides_number, shape_morph)}
