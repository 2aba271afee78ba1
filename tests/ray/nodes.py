"""A Ray cluster on loopback for tests: a head that works on nothing, and one node of one processor for each key.

    python -m tests.ray.nodes FOLDER KEY...

prints the cluster's address; `kill N` on standard input kills the processes of node N at once, and the end of the input ends the cluster.
Every node has its own key of OpenAI's in its environment, so that a server can tell which node asks.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.gap.make import gap_document
from bench.store.run import open_run

KEYS = ("sk-first-node-of-two-4711", "sk-other-node-of-two-4712")

ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""What makes Ray take 127.0.0.1 for this machine's address; whoever connects needs it too."""
SETTINGS = {
    **ON_LOOPBACK,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "OMP_NUM_THREADS": "1",
    "RAY_agent_register_timeout_ms": "120000",
    "RAY_raylet_start_wait_time_s": "120",
}


def document(folder: Path) -> dict[str, Any]:
    """What a report says of a run, but for its name and time."""
    found: dict[str, Any] = json.loads(json.dumps(gap_document([open_run(folder)])))
    for run in found["runs"]:
        del run["name"], run["started"]
    return found


def main() -> None:
    folder, *keys = sys.argv[1:]
    os.environ.update(SETTINGS)
    cluster_utils: Any = importlib.import_module("ray.cluster_utils")
    utils: Any = importlib.import_module("ray._private.utils")
    # A node gives up when its agent takes 15 seconds to start, as it may on a busy machine; without its dashboard it is quicker.
    utils.get_dashboard_dependency_error = lambda: ImportError("not wanted here")
    common: dict[str, Any] = {"node_ip_address": "127.0.0.1", "include_dashboard": False, "object_store_memory": 80 << 20}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={**common, "num_cpus": 0, "temp_dir": folder})
    nodes = [cluster.add_node(**common, num_cpus=1, env_vars={"OPENAI_API_KEY": key}) for key in keys]
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        cluster.remove_node(nodes[int(line.split()[1])], allow_graceful=False)
        print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
