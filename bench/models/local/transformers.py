"""`hf/…`: a checkpoint run by transformers, in batches padded on the left.

Sampling at a temperature T is the Gumbel-max trick: the largest of logit/T + Gumbel noise is a draw from softmax(logit/T). The noise of
each row comes from a generator with that row's own seed, so a trial draws the same numbers in any batch, which `do_sample` cannot promise
(it draws for the whole batch from one stream). To `generate` everything is then greedy.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from bench.errors import MissingExtraError, Rejected, Unusable, UserError
from bench.extras import optional
from bench.models.base import Reply, Request, Stop, Usage
from bench.models.local.checkpoint import Checkpoint, hub_commit
from bench.models.local.processor import TEMPLATE_S, SentSizes, load_errors, load_processor, one_line, pixels, why_unfit
from bench.models.local.queue import OutOfMemory, Unanswerable
from bench.time_limit import time_limit

_CPU_MEMORY = ("can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class HeldModel:
    """A model with all that answering takes. `ends` are the tokens that end a reply, `length` the longest prompt and reply together."""

    torch: Any
    model: Any
    processor: Any
    sizes: SentSizes
    device: Any
    ends: tuple[int, ...]
    pad: int
    length: int
    reported: str


class Generating:
    """Answers batches with the weights that are held in `_loaded`; who holds them, and for how long, is a matter of the engine.

    Args:
        name: as the person wrote it, for messages.
    """

    _asked: ClassVar[Mapping[str, Any]] = {}
    """What `generate` is told besides."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stopped = threading.Event()
        self._loaded: HeldModel | None = None

    def answer(self, requests: Sequence[Request]) -> list[Reply | Rejected]:
        """Answer a batch; see `Engine.answer`."""
        loaded = self._loaded
        if loaded is None:
            raise Unusable(f"{self._name}: asked before it was loaded")
        started = time.perf_counter()
        inputs = _prepare(loaded, requests)
        lengths = [int(length) for length in inputs["attention_mask"].sum(dim=1)]
        too_long = next((length for length in lengths if length >= loaded.length), None)
        if too_long is not None:
            raise Unanswerable(f"{self._name}: the prompt has {too_long} tokens, and the model takes {loaded.length} with the reply")
        rooms = [min(request.sampling.room, loaded.length - length) for request, length in zip(requests, lengths, strict=True)]
        try:
            rows = self._generate(loaded, inputs, requests, max(rooms))
        except (loaded.torch.OutOfMemoryError, MemoryError) as error:
            raise self._out_of_memory(loaded) from error
        except RuntimeError as error:
            if any(words in str(error) for words in _CPU_MEMORY):
                raise self._out_of_memory(loaded) from error
            raise Unusable(f"{self._name}: {one_line(error)}") from error
        latency = time.perf_counter() - started
        return [
            _reply(loaded, request, row[:room], length, latency)
            for request, row, room, length in zip(requests, rows, rooms, lengths, strict=True)
        ]

    def stop(self) -> None:
        """End the batch at hand after its next token."""
        self._stopped.set()

    def _generate(self, loaded: HeldModel, inputs: Any, requests: Sequence[Request], new: int) -> list[list[int]]:
        """The new tokens of each row, padding and ends included."""
        transformers: Any = optional("transformers", "local")
        settings = transformers.GenerationConfig(
            max_new_tokens=new, do_sample=False, num_beams=1, use_cache=True, eos_token_id=list(loaded.ends), pad_token_id=loaded.pad
        )
        noise = noise_for(loaded.torch, requests, loaded.device)
        stopped = self._stopped

        def given_up(input_ids: Any, scores: Any, **_: Any) -> Any:
            return loaded.torch.full((input_ids.shape[0],), stopped.is_set(), device=input_ids.device, dtype=loaded.torch.bool)

        with loaded.torch.inference_mode():
            made = loaded.model.generate(
                **inputs.to(loaded.device, dtype=loaded.model.dtype),
                generation_config=settings,
                logits_processor=[noise] if noise is not None else [],
                stopping_criteria=[given_up],
                **self._asked,
            )
        return made[:, inputs["input_ids"].shape[1] :].tolist()

    def _out_of_memory(self, loaded: HeldModel) -> OutOfMemory:
        gc.collect()
        _empty_cache(loaded.torch)
        return OutOfMemory(self._name)


class Transformers(Generating):
    """The engine behind `hf/…`.

    Args:
        name: as the person wrote it, for messages.
        checkpoint: what to load.
        announce: told once which device and dtype were chosen.
    """

    def __init__(self, name: str, checkpoint: Checkpoint, announce: Callable[[str], None]) -> None:
        super().__init__(name)
        self._checkpoint = checkpoint
        self._announce = announce

    def load(self) -> None:
        """Load processor and weights; see `Engine.load`."""
        checkpoint = self._checkpoint
        self._stopped.clear()
        torch: Any = optional("torch", "local")
        transformers: Any = optional("transformers", "local")
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        options = {"revision": checkpoint.revision, "trust_remote_code": checkpoint.trust_remote_code}
        try:
            device, dtype = choose(torch, checkpoint.extra.get("device", "auto"), checkpoint.extra.get("dtype", "auto"))
            processor = load_processor(checkpoint.where, **options)
            why = why_unfit(processor)
            if why is not None:
                raise UserError(f"{self._name}: {checkpoint.where} {why}")
            model: Any = transformers.AutoModelForImageTextToText.from_pretrained(checkpoint.where, dtype=dtype, **options)
            if checkpoint.adapter is not None:
                model = with_adapter(model, checkpoint.adapter)
            model = model.to(device).eval()
            commit = hub_commit(checkpoint.where, checkpoint.revision)
        except load_errors() as error:
            raise UserError(f"{self._name}: cannot be loaded: {one_line(error)}") from error
        self._loaded = hold(torch, model, processor, checkpoint.identity if commit is None else f"{checkpoint.identity}@{commit}")
        self._announce(f"{self._name}: transformers on {device}, {str(dtype).removeprefix('torch.')}")

    def free(self) -> None:
        """Drop the weights and give cached device memory back."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            torch = loaded.torch
            del loaded
            gc.collect()
            _empty_cache(torch)


def choose(torch: Any, device: str, dtype: str) -> tuple[Any, Any]:
    """The device and dtype to use: the accelerator if there is one, bfloat16 on it and float32 on a CPU, unless told otherwise.

    Raises:
        ValueError: the device is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device={device}, but torch sees no CUDA device")
    name = dtype if dtype != "auto" else "bfloat16" if device.startswith("cuda") else "float32"
    return torch.device(device), getattr(torch, name)


def with_adapter(model: Any, adapter: str) -> Any:
    """The model with the LoRA adapter merged into its weights, so that it runs as fast as without."""
    if importlib.util.find_spec("peft") is None:
        raise MissingExtraError("peft", "local")
    peft: Any = optional("peft", "local")
    return peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()


def hold(torch: Any, model: Any, processor: Any, identity: str) -> HeldModel:
    """`model` and `processor` as an engine holds them. The model's own `generation_config` is replaced by an empty one."""
    transformers: Any = optional("transformers", "local")
    tokenizer = processor.tokenizer
    inner = model.get_base_model() if hasattr(model, "peft_config") else model
    ends = _ends(inner.generation_config.eos_token_id, tokenizer.eos_token_id)
    pad = tokenizer.pad_token_id
    # `generate` fills what its own argument leaves open from here: the checkpoint's taste in sampling must not come in by that door.
    inner.generation_config = transformers.GenerationConfig()
    text = model.config.get_text_config()
    return HeldModel(
        torch=torch,
        model=model,
        processor=processor,
        sizes=SentSizes(processor.image_processor),
        device=model.device,
        ends=ends,
        pad=int(pad) if pad is not None else ends[0] if ends else 0,
        length=int(getattr(text, "max_position_embeddings", 1 << 20)),
        reported=identity,
    )


def _ends(chosen: Any, fallback: Any) -> tuple[int, ...]:
    """The tokens that end a reply: the checkpoint's, one or several, else the tokenizer's."""
    found: Any = fallback if chosen is None else chosen
    several = cast("list[Any]", found) if isinstance(found, list) else [found]
    return tuple(int(token) for token in several if token is not None)


def _prepare(loaded: HeldModel, requests: Sequence[Request]) -> Any:
    """The batch as tensors, padded on the left.

    Raises:
        Unanswerable: the processor refuses at least one request.
    """
    from jinja2 import TemplateError

    from bench.models.local.templates import TooMuchError

    chats: list[Any] = []
    for request in requests:
        shown = [{"type": "image", "image": pixels(picture.data)} for picture in request.pictures]
        chats.append([{"role": "user", "content": [*shown, {"type": "text", "text": request.text}]}])
    try:
        with time_limit(TEMPLATE_S + len(chats)):
            return loaded.processor.apply_chat_template(
                chats,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True, "padding_side": "left"},
            )
    except (TimeoutError, TooMuchError) as error:
        raise Unusable(f"the chat template {error}: it ran for a probe and not for a question") from error
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unanswerable(one_line(error)) from error


def noise_for(torch: Any, requests: Sequence[Request], device: Any) -> Callable[[Any, Any], Any] | None:
    """What turns the greedy choice into a draw, for the rows that have a temperature; None where all are greedy."""
    rows: list[tuple[int, float, Any]] = []
    for index, request in enumerate(requests):
        temperature = request.sampling.temperature or 0.0
        if temperature > 0.0:
            rows.append((index, temperature, torch.Generator(device=device).manual_seed(request.sampling.seed)))
    if not rows:
        return None

    def add(input_ids: Any, scores: Any) -> Any:
        scores = scores.float().clone()
        for index, temperature, generator in rows:
            waits = torch.empty_like(scores[index]).exponential_(generator=generator)
            scores[index] = scores[index] / temperature - waits.clamp_min(1e-30).log()  # -log of Exp(1) is Gumbel
        return scores

    return add


def _reply(loaded: HeldModel, request: Request, tokens: Sequence[int], prompt: int, latency: float) -> Reply:
    end = next((index for index, token in enumerate(tokens) if token in loaded.ends), None)
    kept = tokens if end is None else tokens[: end + 1]
    picture = request.picture
    return Reply(
        text=loaded.processor.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False),
        stop=Stop.LENGTH if end is None else Stop.END,
        usage=Usage(prompt, len(kept)),
        latency_s=latency,
        model=loaded.reported,
        sent_px=loaded.sizes.of(picture.width, picture.height) if picture is not None else None,
    )


def _empty_cache(torch: Any) -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
