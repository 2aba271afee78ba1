"""`vllm/…`: a checkpoint run by vLLM's offline engine, which batches continuously by itself: it is handed everything that waits.

`tp` splits one engine over several devices; `dp` runs several engines, each in a process of its own with its own devices, since one
offline engine does not replicate itself. `max_len`, `gpu` (the fraction of a device's memory), `seqs` and `eager` are vLLM's
`max_model_len`, `gpu_memory_utilization`, `max_num_seqs` and `enforce_eager`.
"""

from __future__ import annotations

import base64
import gc
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import env
from bench.errors import Rejected, Unusable, UserError
from bench.extras import optional
from bench.models.base import Reply, Request, Sampling, Stop, Usage
from bench.models.local.checkpoint import Checkpoint
from bench.models.local.processor import SentSizes, load_errors, load_processor, one_line, why_unfit
from bench.models.local.queue import OutOfMemory, Unanswerable

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
        self._sizes: SentSizes | None = None
        self._lora: Any = None

    def load(self) -> None:
        """Start the engine; see `Engine.load`."""
        checkpoint = self._checkpoint
        env.set_default("VLLM_LOGGING_LEVEL", "ERROR")  # its log goes to standard output, where the results are
        try:
            processor = load_processor(checkpoint.where, revision=checkpoint.revision, trust_remote_code=checkpoint.trust_remote_code)
            why = why_unfit(processor)
            if why is not None:
                raise UserError(f"{self._name}: {checkpoint.where} {why}")
            self._sizes = SentSizes(processor.image_processor)
            vllm: Any = optional("vllm", "vllm")
            self._llm = vllm.LLM(**arguments(checkpoint))
            self._lora = _lora_request(checkpoint)
        except load_errors() as error:
            raise UserError(f"{self._name}: cannot be loaded: {one_line(error)}") from error
        config = self._llm.llm_engine.vllm_config
        dtype = str(config.model_config.dtype).removeprefix("torch.")
        self._announce(f"{self._name}: vLLM on {config.device_config.device}, {dtype}, at most {config.model_config.max_model_len} tokens")

    def answer(self, requests: Sequence[Request]) -> list[Reply | Rejected]:
        """Answer everything at once; see `Engine.answer`."""
        if self._llm is None:
            raise Unusable(f"{self._name}: asked before it was loaded")
        torch: Any = optional("torch", "vllm")
        exceptions: Any = optional("vllm.exceptions", "vllm")
        started = time.perf_counter()
        try:
            outputs = self._llm.chat(
                [messages(request) for request in requests],
                [sampling_params(request.sampling) for request in requests],
                use_tqdm=False,
                lora_request=self._lora,
            )
        except (exceptions.VLLMClientError, ValueError) as error:
            raise Unanswerable(f"{self._name}: {one_line(error)}") from error
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(self._name) from error
        except (exceptions.VLLMServerError, RuntimeError) as error:
            raise Unusable(f"{self._name}: the engine failed: {one_line(error)}") from error
        latency = time.perf_counter() - started
        return [self._reply(request, output, latency) for request, output in zip(requests, outputs, strict=True)]

    def stop(self) -> None:
        """Nothing to do: the batch at hand is finished first."""

    def free(self) -> None:
        """Shut the engine down and give its memory back."""
        llm, self._llm = self._llm, None
        if llm is None:
            return
        llm.llm_engine.engine_core.shutdown()
        del llm
        gc.collect()
        optional("vllm.distributed", "vllm").cleanup_dist_env_and_memory()

    def _reply(self, request: Request, output: Any, latency: float) -> Reply:
        made, picture = output.outputs[0], request.picture
        return Reply(
            text=made.text,
            stop=Stop.LENGTH if made.finish_reason == "length" else Stop.END,
            usage=Usage(len(output.prompt_token_ids or ()), len(made.token_ids)),
            latency_s=latency,
            model=self._checkpoint.identity,
            sent_px=self._sizes.of(picture.width, picture.height) if picture is not None and self._sizes is not None else None,
        )


class Replicas:
    """Several engines, each in its own process on its own devices; a batch is dealt out among them."""

    def __init__(self, name: str, checkpoint: Checkpoint, announce: Callable[[str], None]) -> None:
        self._name = name
        self._announce = announce
        self._replicas: list[ProcessPoolExecutor] = []
        self._count = int(checkpoint.extra["dp"])
        self._checkpoint = replace(checkpoint, extra={key: value for key, value in checkpoint.extra.items() if key != "dp"})

    def load(self) -> None:
        """Start all engines at once; see `Engine.load`."""
        context = multiprocessing.get_context("spawn")
        width = int(self._checkpoint.extra.get("tp", 1))
        self._replicas = [ProcessPoolExecutor(1, mp_context=context) for _ in range(self._count)]
        opened = [
            replica.submit(_open, self._name, self._checkpoint, range(rank * width, (rank + 1) * width))
            for rank, replica in enumerate(self._replicas)
        ]
        lines = self._results(opened)
        self._announce(f"{lines[0]}, {self._count} replicas")

    def answer(self, requests: Sequence[Request]) -> list[Reply | Rejected]:
        """Deal the requests out one by one; see `Engine.answer`."""
        plain = [replace(request, hidden=None) for request in requests]  # only the simulated model may look at it, and it need not pickle
        parts = [plain[rank :: self._count] for rank in range(self._count)]
        answers = self._results([replica.submit(_answer, part) for replica, part in zip(self._replicas, parts, strict=True)])
        return [answers[index % self._count][index // self._count] for index in range(len(requests))]

    def stop(self) -> None:
        """Nothing to do: the batch at hand is finished first."""

    def free(self) -> None:
        """End the processes."""
        for replica in self._replicas:
            replica.shutdown()
        self._replicas = []

    def _results(self, futures: Sequence[Future[Any]]) -> list[Any]:
        for future in futures:
            future.exception()  # all are awaited before the first error is raised: none may still run when a batch is halved
        try:
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise Unusable(f"{self._name}: a replica's process ended: {one_line(error)}") from error


def arguments(checkpoint: Checkpoint) -> dict[str, Any]:
    """The arguments of `vllm.LLM` for `checkpoint`."""
    made: dict[str, Any] = {
        "model": checkpoint.where,
        "revision": checkpoint.revision,
        "trust_remote_code": checkpoint.trust_remote_code,
        "limit_mm_per_prompt": {"image": 1},
        "seed": 0,
    }
    made |= {_ARGUMENTS[key]: value for key, value in checkpoint.extra.items() if key in _ARGUMENTS}
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


_engine: Vllm | None = None
"""The engine of a replica's process."""


def _open(name: str, checkpoint: Checkpoint, devices: range) -> str:
    global _engine
    env.show_devices(devices)
    said: list[str] = []
    _engine = Vllm(name, checkpoint, said.append)
    _engine.load()
    return said[0]


def _answer(requests: Sequence[Request]) -> list[Reply | Rejected]:
    if _engine is None:
        raise Unusable("a replica was asked before it was loaded")
    return _engine.answer(requests) if requests else []
