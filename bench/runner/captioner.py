"""Captions: one per (image, captioner, prompt, replicate), written once and shared by every trial that needs it.

A guided caption sees the question, so its identity includes it; a plain one belongs to the image alone; a caption in the family's notation
is also the readback of the model that wrote it, and its reply is handed out for that (`Caption.reply`). A caption that cannot be had (an
error, a refusal, an empty or cut-off text) fails the trials that need it with `caption_failed`; it never makes an answer wrong. One that
failed by trouble rather than by what the captioner said is asked for again. What the captioner thinks before it writes is no caption.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.digest import digest
from bench.errors import BadDataError, Rejected, Transient
from bench.grader.thoughts import split_thoughts
from bench.image import Picture
from bench.models.base import Hidden, Purpose, Reply, Request, Sampling, Stop
from bench.prompt import caption_prompt, caption_template, prompt_sha
from bench.puzzle import Puzzle
from bench.runner.client import Client
from bench.runner.pictures import PreparedPictures
from bench.store.record import Failure, SentImage, plain, reply_from_json, sent_image
from bench.store.writer import Store
from bench.trial import Captioner, request_seed
from bench.versions import SCHEMA


@dataclass(frozen=True, slots=True)
class Caption:
    """A captioner's text for one image; `text` is None where it failed, and `failure` says why.

    `image` is what the captioner was sent, `reply` what it answered (None where it never did).
    """

    key: str
    text: str | None
    image: SentImage | None
    failure: Failure | None = None
    reply: Reply | None = None


class CaptionDesk:
    """Hands out the captions of one run, asking for each at most once.

    Args:
        captioner: who writes and with which prompt.
        client: the captioning model; None for `dataset` captions.
        store: where captions are kept.
        sampling: of the captioner; its seed is the run's.
        pictures: makes the captioner's pictures ready.
        resize: whether they may be made smaller to fit.
    """

    def __init__(
        self, captioner: Captioner, client: Client | None, store: Store, sampling: Sampling, pictures: PreparedPictures, *, resize: bool
    ) -> None:
        self.captioner = captioner
        self.client = client
        self._store = store
        self._sampling = sampling
        self._pictures = pictures
        self._resize = resize
        self._last: tuple[Puzzle, int, str] | None = None
        self._tasks: dict[str, asyncio.Task[Caption]] = {}

    @property
    def notation(self) -> bool:
        """Whether captions are in the family's notation."""
        return self.client is not None and self.captioner.prompt == "notation"

    def key(self, puzzle: Puzzle, replicate: int) -> str:
        """The identity of a caption: a hash of everything that the captioner is asked."""
        if self._last is None or self._last[0] is not puzzle or self._last[1] != replicate:
            self._last = (puzzle, replicate, self._key(puzzle, replicate))  # the arms of a puzzle come together, and share it
        return self._last[2]

    def _key(self, puzzle: Puzzle, replicate: int) -> str:
        if self.client is None:
            return digest({"captioner": "dataset", "image": puzzle.image.info.identity, "text": puzzle.description})
        model = self.client.model
        return digest(
            {
                "v": SCHEMA,
                "image": puzzle.image.info.identity,
                "model": [model.provider, model.model_id],
                **({"server": self.client.base_url} if self.client.base_url is not None else {}),
                "prompt": caption_prompt(self.captioner.prompt, puzzle),
                "sampling": plain(self._sampling),
                "replicate": replicate,
                **({"further": [image.info.identity for image in puzzle.further]} if puzzle.further else {}),
            }
        )

    async def get(self, puzzle: Puzzle, replicate: int, *, shared: bool = False) -> Caption:
        """The caption of the puzzle's image; failures come as a value. `shared` as in `Request`.

        Raises:
            Unusable, OverBudget: nothing more can be captioned; the run stops.
            ReplayMissError: the cache is the only source and has no reply.
        """
        key = self.key(puzzle, replicate)
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.ensure_future(self._make(key, puzzle, replicate, shared))
            task.add_done_callback(lambda _: self._forget(key))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End the captions that are still being written: whoever asked for them is gone, and nothing is stored any more."""
        writing = [task for task in self._tasks.values() if not task.done()]
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)

    def _forget(self, key: str) -> None:
        """Let go of a caption that the store has; one that failed is kept, so that it is asked for once in this session."""
        if key in self._store.captions:
            del self._tasks[key]

    async def _make(self, key: str, puzzle: Puzzle, replicate: int, shared: bool) -> Caption:
        stored = self._store.captions.get(key)
        if stored is not None:
            reply = stored.get("reply")
            return Caption(key, stored["text"], sent_image(stored.get("image")), reply=reply_from_json(reply) if reply else None)
        caption = _from_dataset(key, puzzle) if self.client is None else await self._ask(self.client, key, puzzle, replicate, shared)
        self._store.add_caption(self._line(caption, puzzle, replicate))
        return caption

    async def _ask(self, client: Client, key: str, puzzle: Puzzle, replicate: int, shared: bool) -> Caption:
        image: SentImage | None = None
        try:
            async with self._pictures.ready(puzzle.pictures, client.model, resize=self._resize) as (picture, *further):
                image = SentImage.of(picture)
                request = self._request(puzzle, replicate, picture, further, shared=shared)
                reply = await client.ask(request, f"the caption of {puzzle.id}")
        except BadDataError as error:
            return Caption(key, None, None, Failure("BadDataError", str(error)))
        except (Transient, Rejected) as error:
            return Caption(key, None, image, Failure(type(error).__name__, str(error), error.status))
        text = written(reply.text)
        failure = _failure(reply, text)
        return Caption(key, None if failure else text, image.as_seen(reply), failure, reply)

    def _request(self, puzzle: Puzzle, replicate: int, picture: Picture, further: Sequence[Picture], *, shared: bool) -> Request:
        seed = request_seed([self._sampling.seed, puzzle.image.info.identity, replicate])
        return Request(
            caption_prompt(self.captioner.prompt, puzzle),
            picture,
            self._sampling.seeded(seed),
            replicate,
            Hidden(puzzle, Purpose.READBACK, "readback", (), None)
            if self.notation
            else Hidden(puzzle, Purpose.CAPTION, "caption", (), None),
            shared=shared,
            further=tuple(further),
        )

    def _line(self, caption: Caption, puzzle: Puzzle, replicate: int) -> Mapping[str, Any]:
        return {
            "v": SCHEMA,
            "key": caption.key,
            "puzzle": puzzle.id,
            "image": plain(caption.image),
            "captioner": self.captioner.name,
            "model": self.client.model.name if self.client else None,
            "prompt": self.captioner.prompt,
            "prompt_sha": prompt_sha(caption_template(self.captioner.prompt)) if self.client else None,
            "replicate": replicate,
            "text": caption.text,
            "reply": plain(caption.reply),
            "error": plain(caption.failure),
        }


def _from_dataset(key: str, puzzle: Puzzle) -> Caption:
    if puzzle.description:
        return Caption(key, puzzle.description, None)
    return Caption(key, None, None, Failure("MissingCaption", "the set carries no caption for this puzzle"))


def written(text: str) -> str:
    """What a captioner wrote for others to read: `text` without its thoughts, in whatever tags they stand.

    Dialects mark them as `<think>…</think>`, by a closing tag alone (vllm#26239, Qwen3-VL#1504) or by tags of their own, or wrap the answer
    in box tokens (VLMEvalKit#1201).
    """
    for found, plain_tag in _TAGS.items():
        text = text.replace(found, plain_tag)
    said, thoughts = split_thoughts(text)
    shown = said.strip() if thoughts else text
    return shown.encode("utf-8", "replace").decode()  # half a surrogate pair, which a model may write, fits into no request


_TAGS = {
    "\u25c1think\u25b7": "<think>",
    "\u25c1/think\u25b7": "</think>",
    "[THINK]": "<think>",
    "[/THINK]": "</think>",
    "<|begin_of_box|>": "",
    "<|end_of_box|>": "",
}
"""Thinking tags of other dialects (Kimi's, Mistral's) as the common ones, and box tokens (GLM's) as nothing."""


def _failure(reply: Reply, text: str) -> Failure | None:
    why = f": {reply.why}" if reply.why else ""
    if reply.stop is Stop.REFUSAL:
        return Failure("Refused", f"the captioner refused{why}")
    if reply.stop is Stop.LENGTH:
        return Failure("Truncated", f"the caption was cut off by max_tokens{why}")
    if not text.strip():
        return Failure("Empty", "the captioner wrote nothing" if not reply.text.strip() else "the captioner thought and wrote nothing")
    return None
