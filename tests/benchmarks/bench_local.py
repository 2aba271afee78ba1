"""Tokens a processor second and peak memory of `hf/` beside a bare batched `generate`; each is measured in its own process.

    make bench PARTS=local                   (vLLM has a benchmark of its own: bench_vllm)

Processor time, since other work on the machine only adds to the clock; of several rounds the best, since other work only slows.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench.models.base import ModelOptions, Reply, Request  # noqa: E402
from bench.models.local.model import Local  # noqa: E402
from bench.models.local.processor import load_processor, pixels  # noqa: E402
from tests.benchmarks.table import row, show  # noqa: E402
from tests.models import tiny_qwen  # noqa: E402
from tests.models.local_requests import ask_together, requests  # noqa: E402

ROWS = 64
NEW = 64
REPEATS = 8
SETTINGS = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

Round = Callable[[], int]
"""Answers the whole batch once and returns how many tokens were made."""


def main() -> None:
    os.environ.update({name: os.environ.get(name, value) for name, value in SETTINGS.items()})
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], sys.argv[2])))
        return
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = str(tiny_qwen.build(Path(folder) / "tiny"))
        bare, own = (_apart(f"hf-{kind}", checkpoint) for kind in ("bare", "ours"))
    note = f"a bare batched generate; {ROWS} pictures, {NEW} tokens each"
    show(
        [
            row("hf/ on the batch of a bare generate", own["speed"], bare["speed"], 0.95, unit="tokens/s of processor time", note=note),
            row("peak memory of hf/", own["memory"], bare["memory"], 1.1, unit="MB", better="less", note=note),
        ]
    )


def _apart(what: str, checkpoint: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, what, checkpoint], capture_output=True, text=True, check=True, cwd=ROOT)
    return json.loads(done.stdout.splitlines()[-1])


def measure(what: str, checkpoint: str) -> dict[str, float]:
    """The best speed in tokens a processor second of `REPEATS` rounds after a first one (other work only slows), and peak memory in MB."""
    asked = requests(ROWS, max_tokens=NEW)
    makers: dict[str, Callable[[str, Sequence[Request]], Round]] = {
        "hf-bare": bare_hf,
        "hf-ours": lambda where, batch: ours(f"hf/{where}", batch),
    }
    answer = makers[what](checkpoint, asked)
    answer()
    speeds: list[float] = []
    for _ in range(REPEATS):
        started = time.process_time()
        tokens = answer()
        speeds.append(tokens / (time.process_time() - started))
    return {"speed": max(speeds), "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def ours(name: str, asked: Sequence[Request]) -> Round:
    """All requests through the model as the runner asks them."""
    provider, _, text = name.partition("/")
    model = Local(name, provider, text, ModelOptions(concurrency=ROWS), announce=lambda line: None)

    def answer() -> int:
        replies = asyncio.run(ask_together(model, asked))
        assert all(isinstance(reply, Reply) for reply in replies), replies
        return sum(reply.usage.output for reply in replies if isinstance(reply, Reply))

    return answer


def bare_hf(checkpoint: str, asked: Sequence[Request]) -> Round:
    """One padded batch and one greedy `generate`, decoding included."""
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    model = transformers.AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32).eval()
    ends = set(model.generation_config.eos_token_id)
    model.generation_config = transformers.GenerationConfig(eos_token_id=list(ends), pad_token_id=model.generation_config.pad_token_id)
    processor = load_processor(checkpoint)

    def answer() -> int:
        pictures = [pixels(request.picture.data) for request in asked if request.picture is not None]
        chats = [[{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": request.text}]}] for request in asked]
        texts = [processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False) for chat in chats]
        inputs = processor(text=texts, images=pictures, padding=True, padding_side="left", return_tensors="pt")
        with torch.inference_mode():
            rows = model.generate(**inputs, max_new_tokens=NEW, do_sample=False)[:, inputs["input_ids"].shape[1] :].tolist()
        processor.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return sum(next((index + 1 for index, token in enumerate(row) if token in ends), len(row)) for row in rows)

    return answer


if __name__ == "__main__":
    main()
