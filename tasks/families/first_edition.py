"""The first edition of the families that ask, draw or sample otherwise today: those of `algo@1`, of `mini`, and of all that was
published with them.

Questions stand in the words of the public set, with their grammar. Nothing here may change: puzzles of the first edition are pinned, and
the shipped checkpoints were trained on them. What a family describes, reads and solves is the same in every edition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.families import (
    board_tile,
    calendar,
    chain_link,
    checker_move,
    colour_hue,
    maze,
    move_box,
    number_slide,
    think_dot,
    water_jugs,
    wheel_of_fortune,
)
from tasks.family import asked
from tasks.kit.drawing import COLORS, Canvas

_COUNTS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")
_ASKING: Mapping[str, str] = {
    "left turns": "What is the total number of left turns do you need to make in this optimal path?",
    "right turns": "What is the total number of right turns do you need to make in this optimal path?",
    "total turns": "What is the combined number of left and right turns do you need to make in this optimal path?",
    "cells": "How many cells do you need to visit in this optimal path including the entrance and exit cells?",
}


class FirstBoardTile(board_tile.BoardTile):
    """The question in the words of the public set."""

    def ask(self, state: board_tile.State) -> str:
        query = asked(state.query)
        total, removed = query.rows * query.columns, query.removed
        left, cells = total - removed, "cell" if removed == 1 else "cells"
        return (
            f"The checkerboard shown in the image was originally of {query.rows} * {query.columns} in dimension having a total of {total} "
            f"squares. It uses two colours of squares, one light yellow and one dark yellow, in a chequered pattern. {_COUNTS[removed]} of "
            f"the squares have been removed from the board in the position of the white coloured {cells}, as shown in the image. You have "
            f"{left // 2} dominoes of size 2 * 1. You can use them as is or you can rotate them to use as a 1 * 2 domino. Is it possible "
            f"to place all the {left // 2} dominoes in the checkerboard to exactly cover all the remaining {left} squares? Answer Yes or "
            "No."
        )


class FirstCalendar(calendar.Calendar):
    """The question in the words of the public set."""

    def ask(self, state: calendar.State) -> str:
        query = asked(state.query)
        page = f"The image shows the calendar of a month of a particular {_year(query.leap)} year."
        date = f"Which day of the week was on {query.month} {query.day} of"
        if query.other_leap is None:
            return f"{page} {date} that year?"
        return f"{page} The {query.year} year was a {_year(query.other_leap)} year. {date} the {query.year} year?"


class FirstChainLink(chain_link.ChainLink):
    """The question in the words of the public set."""

    def ask(self, state: chain_link.State) -> str:
        query = asked(state.query)
        each = "segment" if query.open == 1 else "segments each"
        begin = f"Initially, she has {query.open} {each} with 1 open piece as shown in the image. All the other pieces are closed."
        return (
            f"Alice has {query.segments} segments of chains of different lengths as shown in the image. The total length of all the "
            f"segments combined is {query.pieces} pieces. She has a saw machine with which a closed piece can be cut opened. She also has "
            f"a welding machine with which an open piece can be closed. Each cut takes {query.cut} minutes and each welding takes "
            f"{query.weld} minutes. {begin if query.open else 'Initially, there are no open pieces in any of the segments.'} She now wants "
            f"to make the longest possible necklace using all the available {query.pieces} pieces. Each piece in the necklace would be "
            "connected to exactly two other pieces. This would require cutting open some pieces and then joining all the resulting "
            "segments together. What is the minimum time in which she can create the necklace?"
        )


class FirstColourHue(colour_hue.ColourHue):
    """The question in the words of the public set."""

    def ask(self, state: colour_hue.State) -> str:
        query = asked(state.query)
        return (
            f"A {query.rows} * {query.columns} board consists of {query.rows * query.columns} different coloured tiles. A random state of "
            "the board is shown in (A). The ideal state of the board is shown in (B). A swap consists of selecting any two tiles on the "
            "board and switching their positions. What is the minimum number of swaps required to restore the ideal state of the board "
            "from (A)?"
        )


class FirstMaze(maze.Maze):
    """The question in the words of the public set."""

    def ask(self, state: maze.State) -> str:
        return (
            f"This is maze having {len(state.rows)} * {len(state.rows[0])} cells. The empty cells are coloured white and the obstacle "
            "cells are coloured black. From an empty cell, you can only move up, down, left, or right to another adjacent empty cell. You "
            "cannot move diagonally between two empty cells and cannot step into a cell with an obstacle. The entry cell of the maze is "
            "shown with the green arrow. The exit cell of the maze is shown with the blue arrow. Suppose you have found the most optimal "
            "path in the maze between the entrance and exit, where you need to go through the least number of empty cells and you need to "
            f"make the least number of left and right turns. {_ASKING[asked(state.query).what]}"
        )


class FirstMoveBox(move_box.MoveBox):
    """The question in the words of the public set."""

    def ask(self, state: move_box.State) -> str:
        return (
            "A storekeeper is a puzzle in which the player pushes boxes around in a warehouse trying to get them to target locations. The "
            f"game is represented by an {len(state.walls)} x {len(state.walls[0])} grid of characters grid where each element is a wall, "
            "floor, or box. Your task is to move the box to the end flag under the following rules:\n\n"
            "1. The box can be moved to an adjacent free cell by standing next to the box and then moving in the direction of the box by 1 "
            "grid. This is a push.\n2. The player cannot walk through the box.\n\n"
            "What is the minimum number of pushes to move the box to the end flag."
        )


class FirstWaterJugs(water_jugs.WaterJugs):
    """The question in the words of the public set."""

    def ask(self, state: water_jugs.State) -> str:
        query = asked(state.query)
        return (
            f"You are given {len(query.capacities)} jugs of capacities {', '.join(map(str, query.capacities))} litres. Initially, the "
            "amount of water that is contained in each jar is shown in the image. A single step of water pouring from one jug to another "
            "is constrained by the following rules: i) take a non-empty jug and pour water from it to another non-full jug until the first "
            "one becomes empty or the second one becomes full; and ii) no water can be split while pouring. The objective is to reach the "
            f"amounts of {', '.join(map(str, query.goal))} litres of water in the jugs from left to right, respectively. What is the "
            "minimum number of water pouring steps required to achieve the objective?"
        )


class FirstThinkDot(think_dot.ThinkDot):
    """The question in the words of the public set."""

    def ask(self, state: think_dot.State) -> str:
        query = asked(state.query)
        where = "in total in all the rows" if query.row == "all" else f"in the {query.row} row"
        return (
            "The toy shown in the figure has eight coloured disks on its front, and three holes on its top \u2013 left, right, and "
            "center \u2013 through which a ball bearing could be dropped. Each disk would display either a yellow or blue face. When a "
            "ball passes through a disc it tips the disk mechanism which flips the face color. The tipping of the disc mechanism "
            "determines whether the ball would be deflected to the left or to the right. The vertical walls between the discs would "
            "then determine the path of motion of the ball. A dropped ball always passes through exactly one disc in each of the top "
            "and the bottom row. Depending on the configuration of the top three discs it may or may not pass through the middle row. "
            "Finally, when the ball falls to the bottom it would exit either to a hole on the left or the right of the device. "
            f"{_dropped(query.moves)} How many {query.colour} faces can be seen {where} now?"
        )


class FirstWheelOfFortune(wheel_of_fortune.WheelOfFortune):
    """Whole turns too, which need no thinking."""

    def turns(self, query: wheel_of_fortune.Query) -> bool:
        return True

    def ask(self, state: wheel_of_fortune.State) -> str:
        query = asked(state.query)
        amount = f"{query.amount:g}"
        turn = f"rotates {amount} degrees" if query.unit == "degrees" else f"makes {amount} full rotation{'' if query.amount == 1 else 's'}"
        return (
            f"A fortune wheel has {len(state.segments)} segments of different colour. The initial position of the wheel is shown in the "
            "figure. Each segment is associated with a prize as shown in the embedded text within the segment. The axis of rotation of the "
            "wheel passes through its center and is perpendicular to the surface of the wheel. You spin the wheel "
            f"{query.direction} and it {turn} before stopping. You are going to win the prize for the segment that now falls in front of "
            "the brown arrow. What is your prize?"
        )


class FirstCheckerMove(checker_move.CheckerMove):
    """Two plain disks, told apart by their colour alone."""

    def draw_checker(self, canvas: Canvas, x: float, y: float, radius: float, colour: str) -> None:
        canvas.disk(x, y, radius, COLORS[colour])


class FirstNumberSlide(number_slide.NumberSlide):
    """The open position "is seen moving"."""

    def ask(self, state: number_slide.State) -> str:
        return super().ask(state).replace("the open position moves in the", "the open position is seen moving in the")


def _year(leap: bool) -> str:
    return "leap" if leap else "non-leap"


def _dropped(moves: Sequence[str]) -> str:
    if len(moves) == 1:
        return (
            f"One ball is dropped through the {moves[0]} hole. "
            "Consider the toy configuration after the ball has been dropped and it has exited from the bottom."
        )
    return (
        f"{_COUNTS[len(moves)]} balls are dropped in sequence through the following holes: {', '.join(moves)}. "
        "Consider the toy configuration after all the balls have been dropped and they have exited from the bottom."
    )
