"""Pictures made ready: once each, within bounds, the same as `fit` makes them."""

from __future__ import annotations

import asyncio
import io
from functools import partial

import pytest
from PIL import Image

from bench.errors import BadDataError
from bench.image import ImageLimits, ImageRef, fit, inspect
from bench.runner.pictures import PreparedPictures
from tasks.suites import SuiteSpec, load_suite
from tests.runner.scripted import Scripted, right


class Api(Scripted):
    """A model that is sent base64."""

    provider = "openai"
    simulated = False
    limits = ImageLimits(max_side=50)


def ref(shade: int, loads: list[int], side: int = 100) -> ImageRef:
    def load() -> bytes:
        loads.append(shade)
        out = io.BytesIO()
        Image.new("RGB", (side, side), (shade, 0, 0)).save(out, "PNG")
        return out.getvalue()

    return ImageRef(f"shade {shade}", load)


def test_a_picture_is_made_once_for_all_who_show_it_and_is_what_fit_makes() -> None:
    loads: list[int] = []
    refs = [ref(shade, loads) for shade in range(4)]

    async def work() -> int:
        pictures, model = PreparedPictures(threads=2), Api(right)

        async def show(index: int) -> None:
            async with pictures.ready([refs[index % 4]], model, resize=True) as (found,):
                wanted = fit(refs[index % 4], model.limits)
                assert (found.data, found.identity, found.width) == (wanted.data, wanted.identity, 50)

        await asyncio.gather(*(show(index) for index in range(40)))
        pictures.close()
        return pictures.made

    assert asyncio.run(work()) == 4


def test_what_is_kept_and_what_is_under_way_is_bounded() -> None:
    refs = [ref(shade, [], 2000) for shade in range(12)]
    one = fit(refs[0], Api.limits)
    size = len(one.content.base64())

    async def work() -> tuple[int, int]:
        pictures, model, under_way, most = PreparedPictures(kept_bytes=3 * size, in_flight_bytes=4 * size, threads=1), Api(right), 0, 0

        async def show(index: int) -> None:
            nonlocal under_way, most
            async with pictures.ready([refs[index]], model, resize=True):
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0.05)
                under_way -= 1

        await asyncio.gather(*(show(index) for index in range(12)))
        async with pictures.ready([refs[0]], model, resize=True):
            pass
        pictures.close()
        return most, pictures.made

    most, made = asyncio.run(work())
    assert most <= 6, "twelve of them were let in at once"
    assert made == 13, "the first was dropped for later ones, and made again"


def test_a_bad_picture_fails_those_who_ask_for_it_alone() -> None:
    async def work() -> None:
        pictures, model = PreparedPictures(), Api(right)
        bad, good = ImageRef("bad", lambda: b"no picture"), ref(1, [])

        async def show(what: ImageRef) -> str:
            async with pictures.ready([what], model, resize=True) as (found,):
                return found.media_type

        results = await asyncio.gather(*map(show, [bad, good, bad]), return_exceptions=True)
        assert [type(result) for result in results] == [BadDataError, str, BadDataError]
        pictures.close()

    asyncio.run(work())


def test_what_a_drawn_picture_says_of_itself_is_what_its_bytes_say() -> None:
    for puzzle in load_suite(SuiteSpec.parse("mini:n=1")).puzzles:
        assert puzzle.image.info == inspect(puzzle.image.data(), drawn=True)


@pytest.mark.parametrize("turned", [False, True])
def test_a_jpeg_is_shrunk_the_same_by_draft_or_not(turned: bool) -> None:
    """Decoding at a half changes a smooth picture by less than anyone could see."""
    ramp = Image.linear_gradient("L").resize((1200, 800)).convert("RGB")
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    out = io.BytesIO()
    ramp.save(out, "JPEG", quality=95, exif=exif)
    found = fit(ImageRef("ramp", partial(bytes, out.getvalue())), ImageLimits(max_side=300))
    assert (found.width, found.height) == ((200, 300) if turned else (300, 200))
    with Image.open(io.BytesIO(found.data)) as shown:
        plain = (ramp.rotate(-90, expand=True) if turned else ramp).resize(shown.size, Image.Resampling.LANCZOS)
        pairs = zip(shown.convert("L").tobytes(), plain.convert("L").tobytes(), strict=True)
        assert max(abs(a - b) for a, b in pairs) <= 4
