"""Serves a GGUF model over the OpenAI protocol on the loopback: `VENV/bin/python tests/llm/serve.py MODEL.gguf PORT`, until it is ended.

Runs in the environment that `setup.sh` makes, which holds nothing of this project. One thread and four requests at a time.
"""

import sys
import time
from importlib import import_module
from typing import Any

CONTEXT, AT_ONCE = 16_384, 4


def main() -> None:
    model, port = sys.argv[1:]
    xllamacpp: Any = import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path, params.hostnames, params.port, params.model_alias = model, ["127.0.0.1"], int(port), {"smollm2"}
    params.n_ctx, params.n_parallel = CONTEXT, AT_ONCE
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cpuparams.poll = params.cpuparams_batch.poll = 0  # a waiting thread sleeps instead of spinning
    server = xllamacpp.Server(params)
    print("listening", server.listening_address, flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
