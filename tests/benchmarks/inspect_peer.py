# pyright: basic, reportMissingImports=false
"""Inspect AI on the pictures of `bench_api`, in its own environment: prints how many requests a second it made.

.venv-inspect/bin/python tests/benchmarks/inspect_peer.py BASE_URL DATA.jsonl COUNT
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentImage, ContentText
from inspect_ai.scorer import includes
from inspect_ai.solver import generate


def main() -> None:
    """See the module's text."""
    url, data, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    os.environ["OPENAI_API_KEY"] = "none"
    rows: list[dict[str, Any]] = [json.loads(line) for line in data.read_text().splitlines()]
    samples = [_sample(rows[index % len(rows)], data.parent, index) for index in range(number)]
    with tempfile.TemporaryDirectory() as logs:
        began = time.perf_counter()
        (log,) = eval(
            Task(dataset=MemoryDataset(samples), solver=generate(), scorer=includes()),
            model="openai/gpt-4o",
            model_base_url=url,
            max_connections=64,
            max_samples=64,
            display="none",
            log_dir=logs,
            model_args={"responses_api": False},
        )
        seconds = time.perf_counter() - began
    if log.status != "success":
        raise SystemExit(f"Inspect AI ended with {log.status}: {log.error}")
    print(number / seconds)


def _sample(row: dict[str, Any], folder: Path, index: int) -> Sample:
    content = [ContentImage(image=str(folder / row["image"])), ContentText(text=row["question"])]
    return Sample(id=index, input=[ChatMessageUser(content=content)], target="A")


if __name__ == "__main__":
    main()
