"""Our command under FSDP with processes of the CPU, which accelerate has no launcher for: it takes FSDP only among devices.

    torchrun --nproc-per-node 2 -m tests.gpus.fsdp_on_cpu train ...

Accelerate is told that the processes, which speak by gloo, are of the kind that FSDP is for. How FSDP is set up comes from the variables
that `accelerate launch` would have set.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from bench.cli import main


def pretend() -> None:
    """Let accelerate take several processes on the CPU for several devices."""
    state: Any = import_module("accelerate.state")
    partial, kinds = state.PartialState, state.DistributedType
    begin = partial.__init__

    def begun(self: Any, *given: Any, **options: Any) -> None:
        begin(self, *given, **options)
        if self.distributed_type == kinds.MULTI_CPU:
            self.distributed_type = kinds.MULTI_GPU

    partial.__init__ = begun


if __name__ == "__main__":
    pretend()
    sys.exit(main(sys.argv[1:]))
