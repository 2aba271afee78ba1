"""Damage to a run directory, at random: bytes flipped, lines cut, doubled, swapped and dropped, files cut short."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

FILES = ("run.json", "trials.jsonl", "captions.jsonl", "puzzles.jsonl")


def _flip(data: bytes, rng: random.Random) -> bytes:
    """One bit of one byte is another."""
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    """Nothing is left behind some byte."""
    return data[: rng.randrange(len(data))]


def _hole(data: bytes, rng: random.Random) -> bytes:
    """Some bytes in the middle are gone."""
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 400) :]


def _garbage(data: bytes, rng: random.Random) -> bytes:
    """Some bytes are anything."""
    start = rng.randrange(len(data))
    return data[:start] + rng.randbytes(8) + data[start + 8 :]


def _double(data: bytes, rng: random.Random) -> bytes:
    """A line stands there twice."""
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    return b"".join([*lines[: at + 1], lines[at], *lines[at + 1 :]])


def _swap(data: bytes, rng: random.Random) -> bytes:
    """Two lines have changed places."""
    lines = data.splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _drop(data: bytes, rng: random.Random) -> bytes:
    """A line is gone."""
    lines = data.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


KINDS: Mapping[str, Callable[[bytes, random.Random], bytes]] = {
    "flip": _flip, "cut": _cut, "hole": _hole, "garbage": _garbage, "double": _double, "swap": _swap, "drop": _drop,
}  # fmt: skip


def damaged(run: Path, folder: Path, seed: int) -> str:
    """A copy of `run` at `folder` with one fault, chosen by `seed`; returns what was done."""
    rng = random.Random(f"fuzz {seed}")
    kind, name = rng.choice([*KINDS]), rng.choice(FILES)
    shutil.copytree(run, folder)
    path = folder / name
    path.write_bytes(KINDS[kind](path.read_bytes(), rng))
    return f"{kind} of {name} (seed {seed})"
