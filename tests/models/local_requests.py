"""Requests for local checkpoints, and a way to ask many at once."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Sequence

from PIL import Image, ImageDraw

from bench.errors import ModelError, UserError
from bench.image import ImageLimits, ImageRef, Picture, fit
from bench.models.base import Model, Reply, Request, Sampling


def scene(seed: int, width: int = 84, height: int = 84) -> Picture:
    """A picture of a few coloured rectangles, another for each seed."""
    rng = random.Random(seed)
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    for _ in range(4):
        x, y = rng.randrange(width // 2), rng.randrange(height // 2)
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        pen.rectangle((x, y, x + rng.randrange(8, width // 2), y + rng.randrange(8, height // 2)), fill=colour)
    out = io.BytesIO()
    image.save(out, format="PNG")
    return fit(ImageRef(f"scene {seed}", out.getvalue), ImageLimits())


def requests(count: int, *, pictures: bool = True, temperature: float | None = None, max_tokens: int = 24, seed: int = 0) -> list[Request]:
    """`count` questions of different lengths about pictures of different sizes, or about none."""
    made: list[Request] = []
    for index in range(count):
        picture = scene(index, 84 + 28 * (index % 3), 84 + 28 * (index % 2)) if pictures else None
        text = f"Question {index}: what is shown{' and where is it' * (index % 4)}?"
        made.append(Request(text, picture, Sampling(max_tokens, temperature, seed=seed * 1000 + index), replicate=seed))
    return made


async def ask_together(model: Model, asked: Sequence[Request]) -> list[Reply | Exception]:
    """Ask everything at once; trouble comes as a value."""

    async def one(request: Request) -> Reply | Exception:
        try:
            return await model.ask(request)
        except (ModelError, UserError) as error:
            return error

    return list(await asyncio.gather(*(one(request) for request in asked)))


def ask_all(model: Model, asked: Sequence[Request], *, close: bool = True) -> list[Reply]:
    """The replies to everything at once, the model closed afterwards."""

    async def run() -> list[Reply | Exception]:
        try:
            return await ask_together(model, asked)
        finally:
            if close:
                await model.close()

    replies: list[Reply] = []
    for reply in asyncio.run(run()):
        assert isinstance(reply, Reply), reply
        replies.append(reply)
    return replies
