"""`hf/…` on a tiny random Qwen2.5-VL: batches against bare `generate`, sampling, limits, adapters, and what is refused before a trial."""

from __future__ import annotations

import asyncio
import importlib
import json
import math
import pickle
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.errors import Rejected, UserError
from bench.models.base import ModelOptions, Reply, Request, Sampling, Stop
from bench.models.local.model import Local
from bench.models.local.queue import Batcher
from bench.models.local.transformers import Transformers, choose, noise_for
from bench.models.registry import resolve
from tests.models import tiny_qwen
from tests.models.local_requests import ask_all, ask_together, requests, scene

torch: Any = importlib.import_module("torch")
transformers: Any = importlib.import_module("transformers")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen.build(tmp_path_factory.mktemp("hf") / "tiny")


@pytest.fixture(scope="module")
def adapter(checkpoint: Path) -> Path:
    return tiny_qwen.lora(checkpoint, checkpoint.parent / "lora")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Local:
    return local(f"hf/{checkpoint}")


def local(name: str, *, concurrency: int = 16, said: list[str] | None = None) -> Local:
    said = said if said is not None else []
    provider, _, text = name.partition("/")
    return Local(name, provider, text, ModelOptions(concurrency=concurrency), announce=said.append)


def weights(model: Any) -> Any:
    """The model inside a loaded engine."""
    queue: Any = model.queue
    engine: Any = queue._engine
    return engine._loaded


def bare(checkpoint: Path, request: Request, adapter: Path | None = None) -> tuple[list[int], int]:
    """New tokens and prompt length by transformers alone: one prompt, no padding, no code of ours but the processor's loading."""
    from bench.models.local.processor import load_processor, pixels

    load: Any = transformers.AutoModelForImageTextToText
    whole = load.from_pretrained(checkpoint, dtype=torch.float32)
    if adapter is not None:
        whole = importlib.import_module("peft").PeftModel.from_pretrained(whole, adapter)
    processor = load_processor(str(checkpoint))
    picture = request.picture
    text = "<|im_start|>user\n"
    text += "<|vision_start|><|image_pad|><|vision_end|>" if picture else ""
    text += f"{request.text}<|im_end|>\n<|im_start|>assistant\n"
    inputs = processor(text=[text], images=[pixels(picture.data)] if picture else None, return_tensors="pt")
    length = inputs["input_ids"].shape[1]
    new = request.sampling.max_tokens
    made = whole.generate(**inputs, max_new_tokens=new, do_sample=False, repetition_penalty=1.0, temperature=None, top_k=None)
    return made[0, length:].tolist(), length


@pytest.mark.parametrize("pictures", [True, False])
def test_a_batch_says_what_bare_generate_says(checkpoint: Path, model: Local, pictures: bool) -> None:
    asked = requests(8, pictures=pictures)
    replies = ask_all(model, asked, close=False)
    assert len({reply.text for reply in replies}) >= 6  # the pictures and the questions make a difference
    ends = set(weights(model).ends)
    tokenizer = weights(model).processor.tokenizer
    for request, reply in zip(asked, replies, strict=True):
        tokens, length = bare(checkpoint, request)
        assert reply.text == tokenizer.decode(tokens, skip_special_tokens=True)
        assert (reply.usage.input, reply.usage.output) == (length, len(tokens))
        assert reply.stop is (Stop.END if tokens[-1] in ends else Stop.LENGTH)


def test_pictures_and_plain_text_share_a_batch(model: Local) -> None:
    asked = [*requests(4), *requests(4, pictures=False)]
    mixed = ask_all(model, asked, close=False)
    alone = [ask_all(model, [request], close=False)[0] for request in asked]
    assert [reply.text for reply in mixed] == [reply.text for reply in alone]
    assert [reply.usage for reply in mixed] == [reply.usage for reply in alone]


def test_a_seed_decides_a_trial_whatever_it_is_batched_with(model: Local) -> None:
    asked = requests(8, temperature=1.0, max_tokens=12)
    first = [reply.text for reply in ask_all(model, asked, close=False)]
    assert [reply.text for reply in ask_all(model, asked[::-1], close=False)] == first[::-1]
    assert [ask_all(model, [request], close=False)[0].text for request in asked] == first
    other = [reply.text for reply in ask_all(model, requests(8, temperature=1.0, max_tokens=12, seed=1), close=False)]
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_draws_follow_the_softmax() -> None:
    """Chi-squared over 4,000 draws at two temperatures; the bound is the 99.9% point for 5 degrees of freedom."""
    logits = torch.tensor([[2.0, 1.0, 0.5, 0.0, -1.0, -2.0]])
    for temperature in (0.7, 1.5):
        expected = torch.softmax(logits[0] / temperature, dim=0).tolist()
        counts: Counter[int] = Counter()
        for seed in range(4000):
            add = noise_for(torch, [Request("", None, Sampling(temperature=temperature, seed=seed))], "cpu")
            assert add is not None
            counts[int(add(None, logits).argmax())] += 1
        chi = sum((counts[index] - 4000 * p) ** 2 / (4000 * p) for index, p in enumerate(expected))
        assert chi < 20.5, (temperature, counts)


def test_rows_without_a_temperature_stay_greedy() -> None:
    logits = torch.tensor([[1.0, 0.9], [1.0, 0.9]])
    mixed = [Request("", None, Sampling(temperature=0.0)), Request("", None, Sampling(temperature=2.0, seed=1))]
    add = noise_for(torch, mixed, "cpu")
    assert add is not None
    assert add(None, logits)[0].tolist() == logits[0].tolist()
    assert noise_for(torch, [Request("", None, Sampling())] * 3, "cpu") is None


def test_the_bound_on_tokens_is_each_requests_own(model: Local) -> None:
    whole = next(r for r in ask_all(model, requests(8), close=False) if r.stop is Stop.LENGTH)
    index = [reply.text for reply in ask_all(model, requests(8), close=False)].index(whole.text)
    short = Request(requests(8)[index].text, requests(8)[index].picture, Sampling(5))
    cut, *_ = ask_all(model, [short, *requests(3)], close=False)
    assert (cut.stop, cut.usage.output) == (Stop.LENGTH, 5)
    assert whole.text.startswith(cut.text)


@pytest.mark.parametrize(("width", "height"), [(84, 84), (600, 400), (20, 30), (300, 1500)])
def test_the_size_after_the_models_own_resize(model: Local, width: int, height: int) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    side = tiny_qwen.PATCH * tiny_qwen.MERGE
    tall, wide = smart_resize(height, width, side, min_pixels=4 * side * side, max_pixels=64 * side * side)
    (reply,) = ask_all(model, [Request("?", scene(1, width, height), Sampling(2))], close=False)
    assert reply.sent_px == (wide, tall)
    (plain,) = ask_all(model, [Request("?", None, Sampling(2))], close=False)
    assert plain.sent_px is None
    assert reply.usage.input - plain.usage.input == tall * wide // side**2 + 2


def test_too_long_a_prompt_is_rejected_and_the_others_are_answered(model: Local) -> None:
    asked = [*requests(3), Request("x" * (tiny_qwen.MAX_LENGTH + 10), None, Sampling(4))]
    *rest, bad = asyncio.run(ask_together(model, asked))
    assert all(isinstance(reply, Reply) for reply in rest)
    assert isinstance(bad, Rejected)
    assert str(tiny_qwen.MAX_LENGTH) in str(bad)


def test_a_reply_ends_where_the_context_does(model: Local) -> None:
    room = 6
    (probe,) = ask_all(model, [Request("x", None, Sampling(1))], close=False)
    text = "x" * (tiny_qwen.MAX_LENGTH - room - probe.usage.input + 1)
    (reply,) = ask_all(model, [Request(text, None, Sampling(50))], close=False)
    assert reply.usage.input == tiny_qwen.MAX_LENGTH - room
    assert reply.usage.output <= room


def test_out_of_memory_halves_the_batch(monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> None:
    model = local(f"hf/{checkpoint}")
    asked = requests(8, max_tokens=6)
    expected = [reply.text for reply in ask_all(model, asked, close=False)]
    whole = weights(model).model
    generate: Callable[..., Any] = whole.generate
    rows: list[int] = []

    def small(**inputs: Any) -> Any:
        rows.append(inputs["input_ids"].shape[0])
        if rows[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(**inputs)

    monkeypatch.setattr(whole, "generate", small)
    assert [reply.text for reply in ask_all(model, asked)] == expected
    assert rows[:3] == [8, 4, 2]
    assert isinstance(model.queue, Batcher)
    assert model.queue.largest == 2


def test_an_adapter_is_put_on_and_has_an_identity(checkpoint: Path, adapter: Path, model: Local) -> None:
    tuned = local(f"hf/{checkpoint}?adapter={adapter}")
    assert tuned.model_id.startswith(f"{model.model_id}+lora@")
    asked = requests(3)
    replies = ask_all(tuned, asked, close=False)
    tokenizer = weights(tuned).processor.tokenizer
    asyncio.run(tuned.close())
    assert [reply.text for reply in replies] != [reply.text for reply in ask_all(model, asked, close=False)]
    for request, reply in zip(asked, replies, strict=True):
        assert reply.text == tokenizer.decode(bare(checkpoint, request, adapter)[0], skip_special_tokens=True)


def test_device_and_dtype_are_said_once(checkpoint: Path) -> None:
    said: list[str] = []
    model = local(f"hf/{checkpoint}", said=said)
    ask_all(model, requests(1, max_tokens=2), close=False)
    ask_all(model, requests(1, max_tokens=2))
    assert said == [f"hf/{checkpoint}: transformers on {'cuda, bfloat16' if torch.cuda.is_available() else 'cpu, float32'}"]


def test_device_and_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose(torch, "auto", "auto") == (torch.device("cuda"), torch.bfloat16)
    assert choose(torch, "cpu", "auto") == (torch.device("cpu"), torch.float32)
    assert choose(torch, "cuda:1", "float16") == (torch.device("cuda:1"), torch.float16)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="sees no CUDA"):
        choose(torch, "cuda", "auto")


def test_closing_frees_and_asking_loads_again(model: Local) -> None:
    first = ask_all(model, requests(1))
    assert weights(model) is None
    assert ask_all(model, requests(1), close=False)[0].text == first[0].text


def copy(checkpoint: Path, folder: Path, without: Sequence[str] = ()) -> Path:
    shutil.copytree(checkpoint, folder)
    for name in without:
        (folder / name).unlink()
    return folder


def test_what_the_files_show_is_refused_when_the_name_is_resolved(checkpoint: Path, adapter: Path, tmp_path: Path) -> None:
    bare_text = copy(checkpoint, tmp_path / "text")
    config = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}
    (bare_text / "config.json").write_text(json.dumps(config))
    cases = {
        f"hf/{copy(checkpoint, tmp_path / 'untemplated', ['chat_template.jinja'])}": "has no chat template",
        f"hf/{bare_text}": "takes no images (it is a Qwen2ForCausalLM)",
        f"hf/{tmp_path}": "holds no checkpoint",
        f"hf/{adapter}": f"write hf/{checkpoint}?adapter={adapter}",
        f"hf/{tmp_path}/gone/far": "expected a folder with a checkpoint or a hub id",
        f"hf/{checkpoint}?adapter={tmp_path}/gone/far": "there is no adapter folder",
        f"hf/{checkpoint}?revision=main": "pins a hub id",
        f"hf/{checkpoint}?tp=2": "unknown option 'tp'",
        f"hf/{checkpoint}?batch=0": "batch: expected a positive number, found '0'",
        f"hf/{checkpoint}?trust_remote_code=true": "expected yes or no",
        f"hf/{checkpoint}?batch=2&dtype=int4": "dtype: expected one of auto",
        f"hf/{checkpoint}?batch=2,device=gpu": "device: expected",
    }
    for name, says in cases.items():
        with pytest.raises(UserError) as caught:
            resolve(name, ModelOptions())
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
    for options in (ModelOptions(reasoning="high"), ModelOptions(temperature=3.0)):
        with pytest.raises(UserError):
            resolve(f"hf/{checkpoint}", options)


class Evil:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"x": Evil()}))


SPOILERS: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
    (lambda folder: (folder / "model.safetensors").write_bytes(b"cut"), "cannot be loaded"),
    (pickled, "a pickle that is damaged or would run code"),
    (lambda folder: (folder / "chat_template.jinja").write_text("{{ messages[0].role }}"), "leaves images out"),
    (lambda folder: (folder / "chat_template.jinja").write_text("{{ raise_exception('no') }}"), "fails on an image"),
    (lambda folder: (folder / "preprocessor_config.json").unlink(), "hf/"),
]


@pytest.mark.parametrize(("spoil", "says"), SPOILERS)
def test_what_only_loading_shows_is_one_clear_line(checkpoint: Path, tmp_path: Path, spoil: Callable[[Path], object], says: str) -> None:
    folder = copy(checkpoint, tmp_path / "spoiled")
    spoil(folder)
    model = local(f"hf/{folder}")
    for error in asyncio.run(ask_together(model, requests(2))):
        assert isinstance(error, UserError)
        assert says in str(error)
        assert "\n" not in str(error)
    asyncio.run(model.close())
    assert not Path("executed").exists()


def test_an_engine_asked_too_early_says_so() -> None:
    from bench.errors import Unusable
    from bench.models.local.checkpoint import Checkpoint

    with pytest.raises(Unusable):
        Transformers("hf/x", Checkpoint("x"), lambda line: None).answer([])


def test_identity_is_content(checkpoint: Path, tmp_path: Path) -> None:
    moved = copy(checkpoint, tmp_path / "tiny")
    first = local(f"hf/{moved}")
    assert first.model_id == local(f"hf/{checkpoint}").model_id
    (moved / "training.json").write_text("{}")
    assert local(f"hf/{moved}").model_id == first.model_id
    data = bytearray((moved / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (moved / "model.safetensors").write_bytes(bytes(data))
    assert local(f"hf/{moved}").model_id != first.model_id
    assert math.isclose(first.payload(requests(1)[0])["temperature"], 0.0)
    assert local(f"hf/{moved}?dtype=float16").model_id != local(f"hf/{moved}").model_id
