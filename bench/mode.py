"""Modes: what evidence a trial shows beside the question.

The arms of the experiment. One prompt template serves them all, so that two arms of a trial differ only in the evidence.
"""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """What the solving model is given besides the question."""

    IMAGE = "image"
    CAPTION = "caption"
    ORACLE = "oracle"
    BLIND = "blind"
    IMAGE_CAPTION = "image+caption"
    IMAGE_ORACLE = "image+oracle"
    READBACK = "readback"

    @property
    def shows_image(self) -> bool:
        """Whether the request carries the picture."""
        return self in (Mode.IMAGE, Mode.IMAGE_CAPTION, Mode.IMAGE_ORACLE, Mode.READBACK)

    @property
    def shows_caption(self) -> bool:
        """Whether the request carries a captioner's text."""
        return self in (Mode.CAPTION, Mode.IMAGE_CAPTION)

    @property
    def shows_oracle(self) -> bool:
        """Whether the request carries the ground-truth description."""
        return self in (Mode.ORACLE, Mode.IMAGE_ORACLE)


DIAGNOSE = (Mode.IMAGE, Mode.CAPTION, Mode.ORACLE, Mode.READBACK, Mode.BLIND)
"""What `--mode diagnose` stands for: the arms of the diagnosis, and the blind trials that say what guessing gets right."""
