"""A model in this process: a checkpoint run by transformers (`hf/…`, behind a `Batcher`) or by vLLM (`vllm/…`, behind a `Refill`).

Every sampling parameter is explicit: what a checkpoint's `generation_config` would like is never used, but for the tokens that end a reply.
Where a person asks for no temperature, the model is greedy, since a local model has no provider's default; `top_p`, `top_k` and penalties
are off. A trial's seed alone decides its random numbers, whatever it is batched with.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any

from bench.errors import MissingExtraError, UserError
from bench.image import ImageLimits
from bench.models.base import ModelOptions, Reply, Request, Sampling
from bench.models.local.checkpoint import PACKAGES, Checkpoint
from bench.models.local.queue import Batcher
from bench.models.local.refill import Dealt, Refill
from bench.visible import on_screen

HIGHEST_TEMPERATURE = 2.0

Announce = Callable[[str], None]


def say(line: str) -> None:
    """Tell the person at the terminal, beside the results."""
    sys.stderr.write(f"{on_screen(line)}\n")


def temperature_of(sampling: Sampling) -> float:
    """The temperature in force: 0 (greedy) where none was asked for."""
    return sampling.temperature or 0.0


def payload_of(model_id: str, request: Request) -> Mapping[str, Any]:
    """What decides the reply of a model in this process, the image's bytes replaced by the picture's `identity`."""
    return {
        "model": model_id,
        "text": request.text,
        "image": request.picture.identity if request.picture is not None else None,
        **({"further": [picture.identity for picture in request.further]} if request.further else {}),
        "max_tokens": request.sampling.room,
        "temperature": temperature_of(request.sampling),
        "seed": request.sampling.seed,
    }


class Local:
    """A checkpoint that is loaded by its first request and freed by `close`. See the module's text.

    Attributes:
        checkpoint: what is loaded.
        queue: what stands in front of the engine.
        width: how many requests keep the engine full (`bench.models.base.Filled`); 0 where that is for `--concurrency` to say.
    """

    simulated = False
    limits = ImageLimits(max_bytes=1 << 30)

    def __init__(self, name: str, provider: str, text: str, options: ModelOptions, *, announce: Announce = say) -> None:
        """Check the name, the files and the options; nothing is imported or loaded.

        Raises:
            UserError: an unknown option, no such folder, no chat template, no images, or sampling that cannot be done.
            MissingExtraError: the packages are not installed.
        """
        _check_installed(provider)
        _check_sampling(name, options.sampling())
        self.name = name
        self.provider = provider
        self.checkpoint = Checkpoint.parse(name, provider, text)
        self.model_id = self.checkpoint.identity
        self.queue = _queue(name, provider, self.checkpoint, options, announce)
        self.width = _width(provider, self.checkpoint)

    def payload(self, request: Request) -> Mapping[str, Any]:
        """Everything that decides the reply, the image's bytes replaced by the picture's `identity`."""
        return payload_of(self.model_id, request)

    async def ask(self, request: Request) -> Reply:
        """Answer `request` with whatever waits beside it.

        Raises:
            UserError: the checkpoint cannot be loaded or used.
            Rejected, Unusable: see `bench.errors`.
        """
        return await self.queue.ask(request)

    async def close(self) -> None:
        """Free the memory; a later request loads the checkpoint again."""
        await self.queue.close()


def _queue(name: str, provider: str, checkpoint: Checkpoint, options: ModelOptions, announce: Announce) -> Batcher | Refill | Dealt:
    if provider == "hf":
        from bench.models.local.transformers import Transformers

        return Batcher(Transformers(name, checkpoint, announce), full=options.concurrency, largest=checkpoint.extra.get("batch"))
    from bench.models.local.replicas import replicas
    from bench.models.local.vllm import Vllm

    if checkpoint.extra.get("dp", 1) > 1:
        return Dealt(replicas(name, checkpoint, announce))
    return Refill(Vllm(name, checkpoint, announce))


def _width(provider: str, checkpoint: Checkpoint) -> int:
    if provider == "hf":
        return 0
    from bench.models.local.vllm import WIDEST

    return int(checkpoint.extra.get("dp", 1) * checkpoint.extra.get("seqs", WIDEST))


def _check_installed(provider: str) -> None:
    packages, extra = PACKAGES[provider]
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, extra)


def _check_sampling(name: str, sampling: Sampling) -> None:
    if sampling.reasoning not in (None, "off"):
        raise UserError(f"{name}: a local checkpoint has no reasoning to set: leave --reasoning out, found {sampling.reasoning!r}")
    if not 0.0 <= temperature_of(sampling) <= HIGHEST_TEMPERATURE:
        raise UserError(f"{name}: expected a temperature between 0 and {HIGHEST_TEMPERATURE:g}, found {sampling.temperature}")
