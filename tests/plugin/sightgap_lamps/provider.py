"""Models that say the same whatever they are asked: `constant/3` answers 3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.image import ImageLimits
from bench.models.base import ModelOptions, Reply, Request, Stop, Usage


@dataclass
class Constant:
    """The model `name`, which answers `model_id`."""

    name: str
    model_id: str
    options: ModelOptions
    provider: str = "constant"
    simulated: bool = False
    limits: ImageLimits = field(default_factory=ImageLimits)

    def payload(self, request: Request) -> Mapping[str, Any]:
        """What the answer depends on, beside the model."""
        return {"text": request.text, "picture": request.picture.identity if request.picture else None}

    async def ask(self, request: Request) -> Reply:
        """The one answer."""
        return Reply(f"<answer>{self.model_id}</answer>", Stop.END, Usage(len(request.text) // 4, 5), 0.0, model=self.model_id)

    async def close(self) -> None:
        """Nothing is held."""
