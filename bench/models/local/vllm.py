"""`vllm/…`: a checkpoint run by vLLM's offline engine, which batches continuously by itself: it is refilled while it runs.

`tp` splits one engine over several devices; `dp` runs several engines, each in a process of its own with its own devices
(`bench.models.local.replicas`), since one offline engine does not replicate itself. `max_len`, `gpu` (the fraction of a device's memory),
`seqs`, `images` (the most pictures of one request) and `eager` are vLLM's `max_model_len`, `gpu_memory_utilization`, `max_num_seqs`,
`limit_mm_per_prompt` and `enforce_eager`.
"""

from __future__ import annotations

import base64
import gc
import json
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import env
from bench.children import Guard, keep_tracker
from bench.errors import Rejected, Unusable, UserError
from bench.extras import optional
from bench.models.base import Reply, Request, Sampling, Stop, Usage
from bench.models.local.checkpoint import Checkpoint
from bench.models.local.processor import SentSizes, load_errors, load_processor, one_line, why_unfit

_ARGUMENTS = {
    "tp": "tensor_parallel_size",
    "max_len": "max_model_len",
    "gpu": "gpu_memory_utilization",
    "seqs": "max_num_seqs",
    "eager": "enforce_eager",
    "dtype": "dtype",
}
_ADAPTER_RANK = 16
"""LoRA rank assumed where the adapter is on the hub and its configuration is not at hand: vLLM's own default."""
_PICTURES = 16
"""Most pictures of one request where `images` names no number."""
WIDEST = 1024
"""Sequences that vLLM runs at once on its largest devices: as many requests are kept ready where `seqs` names no number."""
_AHEAD = 1.25
"""Requests that the engine is handed for each sequence that it runs at once, so that a free place is taken without waiting for us."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A request in the engine: its number, and when it was handed over, in seconds of `time.perf_counter`."""

    number: int
    request: Request
    since: float


class Vllm:
    """The engine behind `vllm/…`, in this process.

    Args:
        name: as the person wrote it, for messages.
        checkpoint: what to load.
        announce: told once which device and dtype were chosen.
    """

    def __init__(self, name: str, checkpoint: Checkpoint, announce: Callable[[str], None]) -> None:
        self._name = name
        self._checkpoint = checkpoint
        self._announce = announce
        self._llm: Any = None
        self._guard: Guard | None = None
        self._sizes: SentSizes | None = None
        self._lora: Any = None
        self._most = 1
        self._waiting: deque[tuple[int, Request]] = deque()
        self._running: dict[str, _Running] = {}
        """By vLLM's name of the request."""

    @property
    def busy(self) -> bool:
        """Whether it has anything to do."""
        return bool(self._waiting or self._running)

    def load(self) -> None:
        """Start the engine; see `RunningEngine.load`."""
        checkpoint = self._checkpoint
        env.set_default("VLLM_LOGGING_LEVEL", "ERROR")  # its log goes to standard output, where the results are
        try:
            processor = load_processor(checkpoint.where, revision=checkpoint.revision, trust_remote_code=checkpoint.trust_remote_code)
            why = why_unfit(processor)
            if why is not None:
                raise UserError(f"{self._name}: {checkpoint.where} {why}")
            self._sizes = SentSizes(processor.image_processor)
            vllm: Any = optional("vllm", "vllm")
            keep_tracker()
            before = set(multiprocessing.active_children())
            self._llm = vllm.LLM(**arguments(checkpoint))
            if started := set(multiprocessing.active_children()) - before:
                self._guard = Guard([*started], self._wake)
            self._lora = _lora_request(checkpoint)
        except load_errors() as error:
            raise UserError(f"{self._name}: cannot be loaded: {one_line(error)}") from error
        config = self._llm.llm_engine.vllm_config
        self._most = round(config.scheduler_config.max_num_seqs * _AHEAD)
        dtype = str(config.model_config.dtype).removeprefix("torch.")
        self._announce(f"{self._name}: vLLM on {config.device_config.device}, {dtype}, at most {config.model_config.max_model_len} tokens")

    def turn(self, new: Sequence[tuple[int, Request]], gone: Sequence[int]) -> list[tuple[int, Reply | Rejected]]:
        """Refill the engine and run one step of it; see `RunningEngine.turn`."""
        if self._llm is None:
            raise Unusable(f"{self._name}: asked before it was loaded")
        torch: Any = optional("torch", "vllm")
        exceptions: Any = optional("vllm.exceptions", "vllm")
        try:
            self._give_up(frozenset(gone))
            self._waiting += new
            return [*self._refill(exceptions), *self._step()]
        except torch.OutOfMemoryError as error:
            raise Unusable(f"{self._name}: the device's memory is too small: name fewer sequences at once (seqs=), or max_len=") from error
        except (exceptions.VLLMServerError, RuntimeError) as error:
            raise Unusable(f"{self._name}: the engine failed: {one_line(error)}") from error

    def stop(self) -> None:
        """A turn is one step; an engine that is loaded in this process cannot be given up before it is loaded."""

    def free(self) -> None:
        """Shut the engine down and give its memory back."""
        llm, self._llm = self._llm, None
        guard, self._guard = self._guard, None
        self._waiting.clear()
        self._running.clear()
        if guard is not None:
            guard.release()
        if llm is None:
            return
        llm.llm_engine.engine_core.shutdown()
        del llm
        gc.collect()
        optional("vllm.distributed", "vllm").cleanup_dist_env_and_memory()

    def _wake(self) -> None:
        """The engine's processes have ended (killed, out of memory): a step that waits for them is told, which vLLM leaves out."""
        replies: Any = getattr(self._llm.llm_engine.engine_core, "outputs_queue", None) if self._llm is not None else None
        if replies is not None:
            replies.put_nowait(RuntimeError("its process ended"))

    def _give_up(self, gone: frozenset[int]) -> None:
        if not gone:
            return
        self._waiting = deque(item for item in self._waiting if item[0] not in gone)
        names = [name for name, running in self._running.items() if running.number in gone]
        if names:
            self._llm.llm_engine.abort_request(names)
        for name in names:
            del self._running[name]

    def _refill(self, exceptions: Any) -> list[tuple[int, Rejected]]:
        """Hand over what waits, as far as there is room; what the engine refuses is returned, and costs only itself."""
        refused: list[tuple[int, Rejected]] = []
        while self._waiting and len(self._running) < self._most:
            number, request = self._waiting.popleft()
            since = time.perf_counter()
            try:
                (name,) = self._llm.enqueue_chat(
                    messages(request), sampling_params(request.sampling), use_tqdm=False, lora_request=self._lora
                )
            except (exceptions.VLLMClientError, ValueError) as error:
                refused.append((number, Rejected(f"{self._name}: {one_line(error)}")))
                continue
            self._running[name.partition("-")[0]] = _Running(number, request, since)  # vLLM's own suffix is not in its outputs
        return refused

    def _step(self) -> list[tuple[int, Reply]]:
        if not self._running:
            return []
        done: list[tuple[int, Reply]] = []
        for output in self._llm.llm_engine.step():
            running = self._running.pop(output.request_id, None) if output.finished else None
            if running is not None:
                done.append((running.number, self._reply(running, output)))
        return done

    def _reply(self, running: _Running, output: Any) -> Reply:
        made, picture = output.outputs[0], running.request.picture
        return Reply(
            text=made.text,
            stop=Stop.LENGTH if made.finish_reason == "length" else Stop.END,
            usage=Usage(len(output.prompt_token_ids or ()), len(made.token_ids)),
            latency_s=time.perf_counter() - running.since,
            model=self._checkpoint.identity,
            sent_px=self._sizes.of(picture.width, picture.height) if picture is not None and self._sizes is not None else None,
        )


def arguments(checkpoint: Checkpoint) -> dict[str, Any]:
    """The arguments of `vllm.LLM` for `checkpoint`."""
    made: dict[str, Any] = {
        "model": checkpoint.where,
        "revision": checkpoint.revision,
        "trust_remote_code": checkpoint.trust_remote_code,
        "limit_mm_per_prompt": {"image": checkpoint.extra.get("images", _PICTURES)},
        "seed": 0,
    }
    made |= {_ARGUMENTS[key]: value for key, value in checkpoint.extra.items() if key in _ARGUMENTS}
    if optional("vllm.platforms", "vllm").current_platform.is_cpu():
        made["enable_chunked_prefill"] = False  # a seeded request whose prompt is cut in two ends the engine: CPU generators have no offset
    if checkpoint.adapter is not None:
        made |= {"enable_lora": True, "max_lora_rank": _rank(checkpoint.adapter)}
    return made


def sampling_params(sampling: Sampling) -> Any:
    """Every sampling parameter made explicit, so that none is taken from the checkpoint's `generation_config`."""
    vllm: Any = optional("vllm", "vllm")
    return vllm.SamplingParams(
        n=1,
        temperature=sampling.temperature or 0.0,
        top_p=1.0,
        top_k=0,
        min_p=0.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        repetition_penalty=1.0,
        max_tokens=sampling.room,
        seed=sampling.seed,
    )


def messages(request: Request) -> list[dict[str, Any]]:
    """The chat of one user message, the pictures (data URLs) before the text."""
    content: list[dict[str, Any]] = []
    for picture in request.pictures:
        data = base64.b64encode(picture.data).decode("ascii")
        content.append({"type": "image_url", "image_url": {"url": f"data:{picture.media_type};base64,{data}"}})
    content.append({"type": "text", "text": request.text})
    return [{"role": "user", "content": content}]


def _lora_request(checkpoint: Checkpoint) -> Any:
    if checkpoint.adapter is None:
        return None
    return optional("vllm.lora.request", "vllm").LoRARequest("adapter", 1, checkpoint.adapter)


def _rank(adapter: str) -> int:
    path = Path(adapter) / "adapter_config.json"
    if not path.is_file():
        return _ADAPTER_RANK
    rank = int(json.loads(path.read_text(encoding="utf-8")).get("r", _ADAPTER_RANK))
    return max(8, 1 << (rank - 1).bit_length())  # vLLM takes powers of two from 8
