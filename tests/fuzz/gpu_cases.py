"""What the GPU engine is tested on, and a program that runs it: ``python gpu_cases.py OUT.npz DEVICE|interpreter
[CASE...]``; all cases if none is named.

A program of its own, since Triton decides when it is first imported whether it interprets.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

FIELDS = ("trajectories", "average_gradient_norm", "final_gap", "valid", "mean_gradient_norm", "sum_sq", "group_means")
KEY = (0xA4093822, 0x299F31D0)
BLOCKS = (0, 1, 2**31, 2**32 - 1)
"""Counters of the test of words: replicas ``2^32 - 16, ...``, these blocks, sample 3, stream 2."""


def cases() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Batches and how they are run, by name: tiny, as the interpreter makes some thousand steps per second."""
    from test_engine_agreement import all_pairs, mixed
    from test_engine_algorithms import SEVERAL, with_algorithm

    from fuzz.engine import Batch, Instance
    from theorems.language.functions import NOISES, OBJECTIVES

    plain = {"replicas": 6, "record": 6, "groups": 2}
    found: dict[str, tuple[Any, dict[str, Any]]] = {}
    # Every noise once, every objective at least once.
    row = {pair: k for k, pair in enumerate(itertools.product(OBJECTIVES, NOISES))}
    diagonal = [row[list(OBJECTIVES)[k % len(OBJECTIVES)], noise] for k, noise in enumerate(NOISES)]
    few = [row[objective, noise] for objective in OBJECTIVES for noise in ("none", "two_point", "worst_two_point")]
    found["all pairs"] = (all_pairs(1, 5).take(sorted({*diagonal, *few})), plain)
    for dtype in ("float64", "float32"):
        for dimension in (1, 3):
            found[f"d = {dimension}, {dtype}"] = (all_pairs(dimension, 5).take(diagonal), {**plain, "dtype": dtype})
        for dimension in (4, 12, 64):
            found[f"d = {dimension}, {dtype}"] = (_wide(dimension), {**plain, "dtype": dtype})
    for algorithm in SEVERAL:
        # One sampled twice is enough to mistake a word.
        found[algorithm] = (with_algorithm(all_pairs(3, 2).take(diagonal[1:]), algorithm, 2), plain)
        found[f"{algorithm}, d = 1"] = (
            with_algorithm(
                all_pairs(1, 3).take([row["log_cosh", "gaussian"], row["quartic", "student_t"]]), algorithm, 3
            ),
            plain,
        )
        found[f"{algorithm}, d = 8"] = (with_algorithm(_wide(8).take([0]), algorithm, 2), plain)
    found["a family for each coordinate"] = (replace(mixed().take([0, 3, 48]), steps=np.full(3, 4)), plain)
    found["kinks"] = (
        Batch.of(
            [
                Instance("quadratic", {"curvature": 1.0}, start, 1.0, 5.0, 1)
                for start in ([0.0, 0.0], [3.0, 4.0], [6.0, 8.0], [-3.0, 0.0])
            ]
        ),
        {"replicas": 1, "record": 1},
    )
    for dimension, dtype in ((1, "float64"), (3, "float64"), (3, "float32"), (8, "float64")):
        found[f"radial, d = {dimension}, {dtype}"] = (_radial(dimension), {**plain, "dtype": dtype})
    found["radial, at rest and beyond squares"] = (
        Batch.of(
            [
                Instance("radial:huber", {"curvature": 2.0, "slope": 0.5}, start, 0.125, 0.5, 2)
                for start in ([0.0, 0.0], [0.15, -0.2], [1e200, 1.0])
            ]
        ),
        {"replicas": 1, "record": 1},
    )
    found["overflow"] = (
        Batch.of(
            [
                Instance("quartic", {"curvature": 1.0, "quartic": 1.0}, [1e200], 0.1, 1.0, 3),
                Instance("huber", {"curvature": 1.0, "slope": 4.0}, [1.0], 1e308, 9.0, 3),
                Instance("quartic", {"curvature": 1.0, "quartic": 1.0}, [1e90], 0.1, 1.0, 3),
                Instance("quadratic", {"curvature": 1.0}, [1.0], 0.1, 1.0, 3),
            ]
        ),
        {"replicas": 2},
    )
    lengths = replace(
        all_pairs(1, 9).take([row["quadratic", "two_point"], row["huber", "two_point"], row["quadratic", "gaussian"]]),
        steps=np.array([9, 5, 2]),
    )
    found["unequal lengths"] = (lengths, {**plain, "checkpoints": [0, 3, 8]})
    found["a part of the replicas"] = (lengths, {**plain, "first_replica": 2**32 - 6})
    return found


def _wide(dimension: int) -> Any:
    """d coordinates, numbers of their own for each, and noises of two, one and no words per coordinate."""
    from fuzz.engine import Batch, Instance

    spread = 1.0 + 0.1 * np.arange(dimension)
    laws: dict[str, dict[str, Any]] = {
        "gaussian": {"scale": (0.1 * spread).tolist()},
        "two_point": {"up": (0.1 * spread).tolist(), "probability": 0.25},
        "worst_two_point": {"sigma": 0.5},
        "finite": {
            **{f"atom{k}": ((k - 3) * 0.25 * spread).tolist() for k in range(1, 7)},
            **{f"below{k}": k / 8 for k in range(1, 6)},
        },
        "none": {},
    }
    return Batch.of(
        [
            Instance(
                "huber",
                {"curvature": spread.tolist(), "slope": 1.0},
                (0.3 * spread - 1).tolist(),
                0.2,
                1.0,
                3,
                noise,
                law,
            )
            for noise, law in laws.items()
        ],
        seed=5,
    )


def _radial(dimension: int) -> Any:
    """Every profile of the norm with two atoms, and some with other laws."""
    from test_radial import radial

    batch = radial(dimension, 3)
    pairs = list(zip(batch.objectives, batch.noises, strict=True))
    few = ("radial:huber", "radial:piecewise_exponential")
    return batch.take([k for k, (o, n) in enumerate(pairs) if n == "two_point" or (o in few and n != "band_two_point")])


def device_words(device: str) -> Any:
    """The kernel's Philox words, [4, len(BLOCKS), 16]."""
    import torch

    from fuzz.engine import generated
    from fuzz.engine.printers.triton_source import module_source

    text, _ = module_source()
    text += """

@triton.jit
def show_words(out, k0, k1, blocks, first):
    replica = (tl.arange(0, 16)[None, :].to(tl.int64) + first).to(tl.uint32)
    block = tl.load(blocks + tl.arange(0, 4)[:, None]).to(tl.uint32)
    w0, w1, w2, w3 = block_words(replica, block, 3, 2, tl.load(k0).to(tl.uint32), tl.load(k1).to(tl.uint32))
    spot = tl.arange(0, 4)[:, None] * 16 + tl.arange(0, 16)[None, :]
    tl.store(out + spot, w0.to(tl.int64))
    tl.store(out + 64 + spot, w1.to(tl.int64))
    tl.store(out + 128 + spot, w2.to(tl.int64))
    tl.store(out + 192 + spot, w3.to(tl.int64))
"""
    module = generated.load(text, "words")
    out = torch.zeros((4, len(BLOCKS), 16), dtype=torch.int64, device=device)
    k0, k1, blocks = (torch.tensor(v, dtype=torch.int64, device=device) for v in ([KEY[0]], [KEY[1]], BLOCKS))
    module.show_words[(1,)](out, k0, k1, blocks, 2**32 - 16)
    return out.cpu().numpy().astype(np.uint32)


def main() -> None:
    """Run the cases and store the arrays."""
    target, device = Path(sys.argv[1]), sys.argv[2]
    interpreted = device == "interpreter"
    if interpreted:
        os.environ["TRITON_INTERPRET"] = "1"
    run = importlib.import_module("fuzz.engine").run
    arrays = {"words": device_words("cpu" if interpreted else device)}
    known = cases()
    for name in sys.argv[3:] or known:
        batch, options = known[name]
        result = run(batch, backend="gpu", device=None if interpreted else device, **options)
        arrays |= {f"{name}|{f}": getattr(result, f) for f in FIELDS if getattr(result, f) is not None}
    np.savez(target, **arrays)


if __name__ == "__main__":
    main()
