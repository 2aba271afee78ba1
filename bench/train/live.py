"""The policy while it is trained, as a model like any other: its live weights answer the runner's requests, by the engine of `hf/…`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from bench.extras import optional
from bench.image import ImageLimits
from bench.models.base import Reply, Request
from bench.models.local.model import Local, payload_of
from bench.models.local.queue import Batcher
from bench.models.local.transformers import Generating, hold


class LivePolicy:
    """A policy under training; see `bench.models.base.Model`.

    Args:
        name: of records and messages, "hf/..." like the name of the checkpoint that it will be.
        model: the weights, whole and on this process's device.
        processor: of the checkpoint.
        concurrency: how many requests can wait at once.
    """

    provider = "hf"
    simulated = False
    limits: ImageLimits = Local.limits

    def __init__(self, name: str, model: Any, processor: Any, concurrency: int) -> None:
        self.name = self.model_id = name
        self.batcher = Batcher(_LiveEngine(name, model, processor), full=concurrency)

    def payload(self, request: Request) -> Mapping[str, Any]:
        """See `bench.models.base.Model`."""
        return payload_of(self.model_id, request)

    async def ask(self, request: Request) -> Reply:
        """Answer `request` with whatever waits beside it (raises as `Local.ask`)."""
        return await self.batcher.ask(request)

    async def close(self) -> None:
        """Give the weights back to the training."""
        await self.batcher.close()


class _LiveEngine(Generating):
    """Holds weights that are not its own: it lends them for an evaluation and gives them back as they were.

    It generates in one process while the others wait: under ZeRO-3 transformers would have all generate in step.
    """

    _asked: ClassVar[Mapping[str, Any]] = {"synced_gpus": False}

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        super().__init__(name)
        self._model, self._processor = model, processor
        self._inner = model.get_base_model() if hasattr(model, "peft_config") else model
        self._settings, self._training = self._inner.generation_config, model.training

    def load(self) -> None:
        self._stopped.clear()
        self._model.eval()
        self._loaded = hold(optional("torch", "train"), self._model, self._processor, self._name)

    def free(self) -> None:
        self._loaded = None
        self._inner.generation_config = self._settings
        self._model.train(self._training)
