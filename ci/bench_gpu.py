"""Steps per second of the GPU engine and of torch on the same GPU: ``python ci/bench_gpu.py [--device cuda:0]``.

All contenders of a workload take turns in one process, warm; the table is that of ``clipbounds bench engine``. The
workloads are those of the CPU, with as many runs and steps as a GPU needs.
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from pathlib import Path

import torch

from harness.bench.engine import HEADER, OURS, Contender, take_turns
from harness.bench.peers import workloads
from harness.bench.peers.torch_peer import torch_runs

# What the project aims at on an H200: ratios to torch in float32, and steps per second.
RATIOS = {("W1", "torch eager"): 20, ("W1", "torch.compile"): 10, ("W2", "torch eager"): 20}
W1_SPEED = 2e11


def main() -> None:
    """Print the table, and write it to a file if one is named."""
    options = argparse.ArgumentParser(description="Steps per second of the GPU engine and of torch on the same GPU.")
    options.add_argument("--device", default="cuda:0")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    properties = torch.cuda.get_device_properties(torch.device(chosen.device))
    where = f"{properties.name}, {properties.multi_processor_count} multiprocessors, torch {torch.__version__}"
    lines = [HEADER]
    print(where, HEADER, sep="\n", flush=True)
    for whole, runs, steps in (
        (workloads.w1(256, 16384, 10000), 2**22, 50),
        (workloads.w2(64, 4096, 1000), 2**16, 20),
    ):
        for dtype in ("float32", "float64"):
            contenders = [
                Contender(OURS, lambda w=whole, d=dtype: w.run("gpu", d, chosen.device), whole.steps),
                Contender("torch eager", torch_runs(whole, dtype, runs, steps, chosen.device), runs * steps),
                Contender("torch.compile", torch_runs(whole, dtype, runs, steps, chosen.device, True), runs * steps),
            ]
            targets = {n: t for (w, n), t in RATIOS.items() if w == whole.name and dtype == "float32"}
            for row in take_turns(whole.name, dtype, contenders, chosen.rounds, time.perf_counter, targets):
                lines.append(row.text)
                print(row.text, flush=True)
    lines.append(f"\nW1 in float32 aims at {W1_SPEED:.0e} steps/s on an H200.")
    print(lines[-1])
    if chosen.out:
        text = [f"# The engine on a GPU, {date.today().isoformat()}", "", where + ".", "", *lines, ""]
        chosen.out.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
