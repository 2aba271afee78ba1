"""An interrupted run: the step at hand is finished and saved, and then it ends.

SIGINT (Ctrl-C), SIGTERM and SIGHUP are all the same here. The second one ends the run at once, without saving; not in a process that
another of ours has started, which the same wish reaches in several ways. A signal that is ignored when a run begins (`nohup`) stays
ignored. With several processes, each may be told at another moment; all of them agree on the step after which they stop.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from bench.children import is_child
from bench.extras import optional
from bench.stopping import STOPS


class Interrupt:
    """Whether a person, or a machine, asked for the end of the run; `cut`: an evaluation was given up for it, and is owed."""

    def __init__(self) -> None:
        self.asked = self.cut = False

    @contextmanager
    def listening(self) -> Generator[None]:
        """Take signals as a wish to end after the step at hand; nothing changes outside of the main thread, where no signal arrives."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: handler for number in STOPS if (handler := signal.getsignal(number)) is not signal.SIG_IGN}
        for number in before:
            signal.signal(number, self._heard)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if is_child():
            self.asked = True
            return
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        sys.stderr.write(f"\n{signal.Signals(number).name}: the step at hand is finished and saved; once more ends it at once\n")


class AllStepsDone(Exception):  # noqa: N818 - an event, not a mistake
    """A run that is gone on with was saved after its last step: transformers would make another one."""


def interruptible(interrupt: Interrupt) -> Any:
    """A trainer callback that saves and stops after the step in which `interrupt` was asked for, and raises `AllStepsDone`."""
    base: Any = optional("transformers", "train").TrainerCallback
    gather_object: Any = optional("accelerate.utils", "train").gather_object

    class Interruptible(base):
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step >= state.max_steps:
                raise AllStepsDone

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            interrupt.asked = any(gather_object([interrupt.asked]))
            if interrupt.asked:
                control.should_save = control.should_training_stop = True

    return Interruptible()
