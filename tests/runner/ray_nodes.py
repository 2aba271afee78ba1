"""A Ray cluster on loopback for tests: a head that works on nothing, and one node of one processor for each key.

    python -m tests.runner.ray_nodes FOLDER KEY...

prints the cluster's address; `kill N` on standard input kills the processes of node N at once, and the end of the input ends the cluster.
Every node has its own key of OpenAI's in its environment, so that a server can tell which node asks.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_enable_metrics_collection": "0", "OMP_NUM_THREADS": "1"}


def main() -> None:
    folder, *keys = sys.argv[1:]
    os.environ.update(SETTINGS)
    cluster_utils: Any = importlib.import_module("ray.cluster_utils")
    common = {"node_ip_address": "127.0.0.1", "include_dashboard": False, "object_store_memory": 80 << 20}
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
