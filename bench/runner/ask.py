"""The runner: asks every planned trial once, in one asyncio process with bounded concurrency, and stores each as it finishes.

A trial goes through the same steps in every mode: caption if the mode shows one, picture if it shows one, prompt, ask, grade, store.
Trouble with one request makes one `error` record; a reply that a replay does not find is counted and leaves no record; trouble that no
later request can escape (`Unusable`, a full disk) stops the run, which can be resumed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import BadDataError, OverBudget, Rejected, ReplayMissError, SightgapError, Transient
from bench.image import Picture
from bench.mode import Mode
from bench.models.base import Filled, Hidden, Reply, Request, Sampling
from bench.models.registry import LOCAL
from bench.outcome import Outcome, Verdict
from bench.prompt import prompt_sha
from bench.question import Question, question_of, template_of
from bench.runner.captioner import Caption, CaptionDesk
from bench.runner.client import Client
from bench.runner.pictures import PreparedPictures
from bench.runner.progress import Progress
from bench.store.record import Failure, Record, SentImage
from bench.store.writer import Store
from bench.trial import Trial, trial_key, trial_sampling
from bench.versions import __version__


@dataclass(frozen=True, slots=True)
class Lane:
    """One model of a run: its client, its captions, its trials, and how many of them are asked at once.

    `shows` is how many requests show it the same picture.
    """

    client: Client
    desk: CaptionDesk
    trials: Sequence[Trial]
    at_once: int
    shows: int = 1

    def needs_caption(self, trial: Trial) -> bool:
        """Whether the trial waits for a caption: because it shows one, or because the caption in notation is itself the readback."""
        return trial.mode.shows_caption or self.is_readback(trial)

    def is_readback(self, trial: Trial) -> bool:
        """Whether the model's own caption in notation is its reply to this trial: then it is asked once, for both arms."""
        return trial.mode is Mode.READBACK and self.desk.notation and self.desk.client is self.client


@dataclass(frozen=True, slots=True)
class Asking:
    """How trials are asked: sampling (its seed is the run's), whether pictures are resized, lanes side by side (in batches) or not."""

    sampling: Sampling
    resize: bool
    side_by_side: bool = False


def in_process(client: Client) -> bool:
    """Whether the model's weights are held by this process."""
    return client.model.provider in LOCAL


def key_of(trial: Trial, lane: Lane, asking: Asking) -> str:
    """The trial's key, from what will be asked."""
    caption_key = lane.desk.key(trial.puzzle, trial.replicate) if lane.needs_caption(trial) else None
    return trial_key(trial, lane.client.model, asking.sampling, base_url=lane.client.base_url, caption_key=caption_key)


def _judged(trial: Trial, reply: Reply) -> Verdict:
    # here and not above: its patterns are compiled while the first requests are under way
    from bench.grader.judge import judge

    return judge(trial, reply.text, stop=reply.stop)


class Runner:
    """Runs the lanes of a run one after another (batches, which wait for hours, side by side), the trials of a lane concurrently.

    Attributes:
        over_budget: whether the money bound ended it.
        misses: what a replay did not find in the cache, one entry for each trial that could not be answered.
    """

    def __init__(self, store: Store, asking: Asking, progress: Progress, pictures: PreparedPictures) -> None:
        self._store = store
        self._asking = asking
        self._pictures = pictures
        self._progress = progress
        self.over_budget = False
        self.misses: list[str] = []

    async def run(self, lanes: Sequence[Lane]) -> None:
        """Ask everything. Returns when all is stored, or when the money bound is reached (`over_budget`).

        Raises:
            Unusable, UserError: the run cannot go on; what is finished is stored.
        """
        if self._asking.side_by_side:
            await self._together([self._whole_lane(lane) for lane in lanes])
            return
        for lane in lanes:
            await self._whole_lane(lane)

    async def _whole_lane(self, lane: Lane) -> None:
        try:
            if lane.desk.client and lane.desk.client is not lane.client and in_process(lane.client) and in_process(lane.desk.client):
                await self._caption_lane(lane, lane.desk.client)
            await self._run_lane(lane)
        finally:
            await lane.desk.close()
            await lane.client.model.close()
            if lane.desk.client and lane.desk.client is not lane.client:
                await lane.desk.client.model.close()

    async def _caption_lane(self, lane: Lane, writer: Client) -> None:
        """Write all captions and free the writer before the solver is loaded: the two never share the memory of this machine."""
        pending = (trial for trial in lane.trials if trial.mode.shows_caption)
        await self._together([self._write(lane, pending) for _ in range(self._at_once(writer, lane))])
        await writer.model.close()

    async def _write(self, lane: Lane, pending: Iterator[Trial]) -> None:
        for trial in pending:
            await asyncio.sleep(0)
            await self._looked_at(trial, lane)
            if key_of(trial, lane, self._asking) not in self._store.finished:
                with contextlib.suppress(ReplayMissError):  # the trials that need it will miss it and be counted
                    await lane.desk.get(trial.puzzle, trial.replicate)

    async def _run_lane(self, lane: Lane) -> None:
        pending = iter(lane.trials)
        await self._together([self._work(lane, pending) for _ in range(self._at_once(lane.client, lane))])

    @staticmethod
    def _at_once(client: Client, lane: Lane) -> int:
        """How many trials are under way together."""
        width = client.model.width if isinstance(client.model, Filled) else 0
        return min(max(lane.at_once, width), len(lane.trials))

    async def _together(self, work: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Run all of `work`; the first error, or Ctrl-C, ends the others."""
        workers = [asyncio.ensure_future(part) for part in work]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            for worker in workers:
                with contextlib.suppress(asyncio.CancelledError, SightgapError):
                    await worker

    async def _work(self, lane: Lane, pending: Iterator[Trial]) -> None:
        waited = False
        for trial in pending:
            if self.over_budget:
                return
            if not waited:
                await asyncio.sleep(0)  # what is answered at once must not keep the others, or Ctrl-C, waiting
            waited = False
            await self._looked_at(trial, lane)
            key = key_of(trial, lane, self._asking)
            if key in self._store.finished:
                self._progress.tally.kept += 1
                continue
            try:
                record = await self._one(lane, key, trial)
            except ReplayMissError as miss:  # the others may be in the cache
                self.misses.append(str(miss))
                continue
            except OverBudget:  # what is in flight is paid for already, and is waited for
                self.over_budget = True
                return
            waited = record.reply is not None and not record.reply.cached and not lane.client.model.simulated
            self._store.add(record)
            self._progress.tally.add(record)
            self._progress.update()

    async def _looked_at(self, trial: Trial, lane: Lane) -> None:
        """Have ready what the trial's key is made of."""
        if trial.mode.shows_image or lane.needs_caption(trial):
            await self._pictures.look(trial.puzzle.pictures)

    async def _one(self, lane: Lane, key: str, trial: Trial) -> Record:
        """Ask one trial; whatever befalls it alone becomes part of the record."""
        shared = lane.shows > 1
        caption = await lane.desk.get(trial.puzzle, trial.replicate, shared=shared) if lane.needs_caption(trial) else None
        if caption is not None and lane.is_readback(trial):
            return self._read_back(key, trial, caption)
        if caption is not None and caption.text is None:
            verdict = Verdict(Outcome.CAPTION_FAILED, None, trial.puzzle.answer, "caption")
            return self._record(key, trial, caption, caption.image, None, verdict, caption.failure)
        image = caption.image if caption else None
        try:
            asked = question_of(trial.puzzle, trial.mode, trial.fmt, trial.options, caption=caption.text if caption else None)
            shown = trial.puzzle.pictures if asked.picture else ()
            async with self._pictures.ready(shown, lane.client.model, resize=self._asking.resize) as pictures:
                request = self._request(trial, asked, pictures, shared=shared)
                image = SentImage.of(pictures[0]) if pictures else image
                reply = await lane.client.ask(request, f"{trial.puzzle.id} ({trial.mode})")
            image = image.as_seen(reply) if image and request.picture else image
        except (Transient, Rejected) as error:
            return self._failed(key, trial, caption, image, Failure(type(error).__name__, str(error), error.status))
        except BadDataError as error:
            return self._failed(key, trial, caption, image, Failure("BadDataError", str(error)))
        return self._record(key, trial, caption, image, reply, _judged(trial, reply), None)

    def _read_back(self, key: str, trial: Trial, caption: Caption) -> Record:
        """The record of a readback whose reply is the model's own caption, whether or not that text will do as a caption."""
        if caption.reply is None:
            failure = caption.failure or Failure(Transient.__name__, "the caption that was to be read back has no reply")
            return self._failed(key, trial, caption, caption.image, failure)
        return self._record(key, trial, caption, caption.image, caption.reply, _judged(trial, caption.reply), None)

    def _request(self, trial: Trial, asked: Question, pictures: Sequence[Picture], *, shared: bool) -> Request:
        sampling = trial_sampling(self._asking.sampling, trial)
        hidden = Hidden(trial.puzzle, asked.purpose, trial.mode.value, asked.options, asked.evidence)
        first, further = pictures[0] if pictures else None, tuple(pictures[1:])
        return Request(asked.text, first, sampling, trial.replicate, hidden, shared=shared, further=further)

    def _failed(self, key: str, trial: Trial, caption: Caption | None, image: SentImage | None, failure: Failure) -> Record:
        verdict = Verdict(Outcome.ERROR, None, trial.puzzle.answer, "error")
        return self._record(key, trial, caption, image, None, verdict, failure)

    def _record(
        self,
        key: str,
        trial: Trial,
        caption: Caption | None,
        image: SentImage | None,
        reply: Reply | None,
        verdict: Verdict,
        error: Failure | None,
    ) -> Record:
        puzzle, captioner = trial.puzzle, trial.captioner
        return Record(
            key=key,
            puzzle=puzzle.id,
            family=puzzle.family,
            suite=puzzle.suite,
            model=trial.model,
            mode=trial.mode.value,
            captioner=captioner.name if captioner else None,
            caption_prompt=captioner.prompt if captioner else None,
            format=trial.fmt.value,
            replicate=trial.replicate,
            options=trial.options,
            level=puzzle.level,
            split=puzzle.split,
            sufficient=puzzle.sufficient,
            dose=trial.dose,
            caption_key=caption.key if caption else None,
            prompt_sha=prompt_sha(template_of(trial.mode)),
            image=image,
            reply=reply,
            verdict=verdict,
            error=error,
            version=__version__,
        )
