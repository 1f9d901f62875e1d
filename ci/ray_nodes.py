"""A Ray cluster of two nodes on this machine, one CPU each, for tests and measurements: ``python ci/ray_nodes.py``.

Prints its address. A line ``kill`` on stdin kills the second node, as a power cut would; ``add`` adds one; the end of
stdin ends the cluster.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Serve until stdin ends."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=size)
    nodes = [cluster.add_node(**size)]
    print(cluster.address, flush=True)
    try:
        for line in sys.stdin:
            if line.strip() == "kill" and nodes:
                cluster.remove_node(nodes.pop(), allow_graceful=False)
            elif line.strip() == "add":
                nodes.append(cluster.add_node(**size))
            print(f"{1 + len(nodes)} nodes", flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
