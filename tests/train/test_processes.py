"""What a launcher's processes refuse before hours are spent; how they do it together: tests/gpus."""

from __future__ import annotations

import pytest

from bench.errors import UserError
from bench.train.processes import refuse_unsaved

ZERO3 = {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}
SAVES = {"ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL": "true"}
FSDP = {"ACCELERATE_USE_FSDP": "true"}


@pytest.mark.parametrize("launched", [{}, ZERO3 | SAVES, ZERO3 | {"ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"}, FSDP | {"FSDP_VERSION": "2"}])
def test_what_saves_whole_weights_is_taken(launched: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in launched.items():
        monkeypatch.setenv(name, value)
    refuse_unsaved()


@pytest.mark.parametrize(
    ("launched", "why"),
    [(ZERO3, "zero3_save_16bit_model: expected true"), (FSDP | {"FSDP_VERSION": "1"}, "fsdp_version: expected 2.*found 1")],
)
def test_what_does_not_is_refused(launched: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in launched.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=why):
        refuse_unsaved()
