"""The GPU engine: Triton, a program per block of replicas.

Nothing here needs a GPU or Triton to be imported. With ``TRITON_INTERPRET=1`` in the environment before Triton is
imported, the same kernels run in Triton's interpreter on the CPU, slowly: that is how they are tested where there is no
GPU. In one dimension the arithmetic is that of the compiled engine, step by step; in several, norms are summed in
another order.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import torch

from fuzz.engine import generated
from fuzz.engine.batch import ALGORITHMS, PRIVACY_LAW, Batch
from fuzz.engine.formulas import Formula, family_numbers, hoisted_numbers
from fuzz.engine.printers.triton_source import module_source
from fuzz.engine.statistics import Gatherer, Plan, Statistics
from theorems.language.functions import NOISES, Noise, families, is_radial
from theorems.language.noises import Layout

MEMORY = 2**29
"""Bytes of gradient norms, at checkpoints, at a time."""

_TILE = 2048
_MOST_LANES = 256


@dataclass(frozen=True)
class Kernels:
    """The generated module and what is needed to call it."""

    module: ModuleType
    gradients: Mapping[str, Formula]
    values: Mapping[str, Formula]
    samples: Mapping[str, Formula]


@dataclass(frozen=True)
class Piece:
    """Instances ``rows`` of one objective and one noise, and replicas ``[start, stop)``: whole groups or a part."""

    rows: tuple[int, ...]
    start: int
    stop: int

    def halves(self, group_size: int) -> tuple[Piece, Piece] | None:
        """Two pieces that are this one together, or None if it is one run of one instance."""
        if len(self.rows) > 1:
            middle = len(self.rows) // 2
            return Piece(self.rows[:middle], self.start, self.stop), Piece(self.rows[middle:], self.start, self.stop)
        count = self.stop - self.start
        if count == 1:
            return None
        groups = count // group_size
        cut = self.start + (group_size * (groups // 2) if groups > 1 else count // 2)
        return Piece(self.rows, self.start, cut), Piece(self.rows, cut, self.stop)


@lru_cache(maxsize=1)
def load() -> Kernels:
    """The module, generated if the cache does not hold it; Triton compiles a kernel when it is first launched.

    Raises:
        ValueError: if Triton is not installed.
    """
    try:
        version = str(importlib.import_module("triton").__version__)
    except ImportError:
        raise ValueError("backend 'gpu' needs the package triton, which is not installed") from None
    text, roles = module_source()
    return Kernels(generated.load(text, f"triton {version}"), **roles)


def interpreted() -> bool:
    """Whether Triton interprets, on the CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def find_device(device: str | int | None) -> torch.device:
    """The device to run on: the given one, by index or by name, or the current one.

    Raises:
        ValueError: one line, if there is no such GPU.
    """
    if interpreted():
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ValueError(f"backend 'gpu' needs a GPU, and torch {torch.__version__} sees none")
    try:
        found = torch.device("cuda", device) if isinstance(device, int) else torch.device(device or "cuda")
    except (RuntimeError, ValueError):
        raise ValueError(f"device must be a GPU such as 'cuda:0', or its number, not {device!r}") from None
    if found.type != "cuda":
        raise ValueError(f"device must be a GPU such as 'cuda:0', or its number, not {device!r}")
    if found.index is not None and not 0 <= found.index < torch.cuda.device_count():
        raise ValueError(f"device {device!r} does not exist: torch sees {torch.cuda.device_count()} GPUs")
    return found if found.index is not None else torch.device("cuda", torch.cuda.current_device())


def run(batch: Batch, plan: Plan) -> Statistics:
    """Run every instance; see :func:`fuzz.engine.run`.

    Raises:
        ValueError: if there is no GPU, or if an instance has 2^31 steps or more.
        MemoryError: if a single run does not fit.
    """
    if int(batch.steps.max()) >= 2**31:
        raise ValueError(f"steps must be below 2^31 on the GPU, not {int(batch.steps.max())}")
    device = find_device(plan.device)
    kernels = load()
    gatherer = Gatherer(batch, plan)

    def attempt(piece: Piece) -> None:
        _run_piece(batch, plan, gatherer, kernels, piece, device)

    for piece in _pieces(batch, plan):
        run_or_split(piece, plan.group_size, attempt, device)
    return gatherer.finish()


def run_or_split(piece: Piece, group_size: int, attempt: Callable[[Piece], None], device: torch.device) -> None:
    """Attempt a piece; if the GPU is out of memory, its halves. ``attempt`` must report nothing before it has all.

    Raises:
        MemoryError: one line, if a single run does not fit.
    """
    try:
        attempt(piece)
    except torch.OutOfMemoryError:
        halves = piece.halves(group_size)
        if halves is None:
            raise MemoryError(f"out of memory on {device} with 1 run of instance {piece.rows[0]}") from None
    else:
        return
    # Outside the handler, whose traceback keeps the tensors of the attempt alive.
    if device.type == "cuda":
        torch.cuda.empty_cache()
    for half in halves:
        run_or_split(half, group_size, attempt, device)


def _pieces(batch: Batch, plan: Plan) -> list[Piece]:
    """Rows of one objective and noise together, as many as the memory for gradient norms allows."""
    families: dict[tuple[str, str], list[int]] = {}
    for row, pair in enumerate(zip(batch.objectives, batch.noises, strict=True)):
        families.setdefault(pair, []).append(row)
    most = max(1, MEMORY // (plan.replicas * len(plan.checkpoints) * 8))
    return [
        Piece(tuple(rows[k : k + most]), 0, plan.replicas)
        for rows in families.values()
        for k in range(0, len(rows), most)
    ]


def _run_piece(
    batch: Batch, plan: Plan, gatherer: Gatherer, kernels: Kernels, piece: Piece, device: torch.device
) -> None:
    rows, count, checkpoints = list(piece.rows), piece.stop - piece.start, len(plan.checkpoints)
    part, dimension = batch.take(rows), batch.dimension
    objective, noise = part.objectives[0], NOISES[part.noises[0]]
    longest = int(part.steps.max())
    recorded = max(0, min(plan.record - piece.start, count))

    def put(array: Any, kind: Any = np.float64) -> torch.Tensor:
        return torch.from_numpy(np.array(array, kind, order="C")).to(device)

    with np.errstate(all="ignore"):
        privacy = np.repeat(part.privacy_scale()[:, None, None], dimension, 2)
        numbers = [
            hoisted_numbers(kernels.gradients, part.objectives, part.objective_parameters),
            hoisted_numbers(kernels.values, part.objectives, part.objective_parameters),
            hoisted_numbers(kernels.samples, part.noises, part.noise_parameters),
            hoisted_numbers(kernels.samples, (PRIVACY_LAW,) * len(rows), privacy),
        ]
    shape = (len(rows), count)
    average, gap = (torch.empty(shape, dtype=torch.float64, device=device) for _ in range(2))
    valid = torch.empty(shape, dtype=torch.int8, device=device)
    history = torch.zeros((len(rows), checkpoints, count), dtype=torch.float64, device=device)
    trajectories = torch.full(
        (len(rows), recorded, longest + 1, dimension), torch.nan, dtype=torch.float64, device=device
    )
    constants = _constants(
        kernels,
        objective,
        noise.name,
        dimension,
        part.algorithm,
        plan.dtype,
        recorded > 0,
        [n.shape[2] for n in numbers],
    )
    with torch.cuda.device(device) if device.type == "cuda" else torch.device(device):
        kernels.module.run_block[(len(rows) * -(-count // constants["BLOCK"]),)](
            plan.first_replica + piece.start,
            count,
            part.samples,
            recorded,
            longest,
            checkpoints,
            put(part.x0),
            *(put(n) for n in numbers),
            put(part.step_size),
            put(part.clipping_threshold),
            put(part.steps, np.int32),
            put(part.keys(), np.int64),
            put([*plan.checkpoints, -1], np.int32),
            average,
            gap,
            valid,
            history,
            trajectories,
            put(family_numbers(kernels.gradients, (objective,), dimension)[0], np.int32),
            **constants,
            # The compiled engine does not fuse multiplications and additions either.
            enable_fp_fusion=False,
        )
    passed = valid.bool()
    kept = torch.where(passed[:, None, :], history, 0.0).reshape(
        len(rows), checkpoints, -1, min(plan.group_size, count)
    )
    total, square = kept.sum(3).cpu().numpy(), kept.square().sum(3).cpu().numpy()
    for k, row in enumerate(rows):
        gatherer.add_block(row, piece.start, *(a[k].cpu().numpy() for a in (average, gap, passed)))
        for group in range(total.shape[2]):
            number = piece.start // plan.group_size + group
            gatherer.add_sums(row, number, total[k, :, group], square[k, :, group])
        if gatherer.trajectories is not None and recorded:
            block = slice(piece.start, piece.start + recorded)
            gatherer.trajectories[row, block, : longest + 1] = trajectories[k].cpu().numpy()


def _constants(
    kernels: Kernels,
    objective: str,
    noise: str,
    dimension: int,
    algorithm: str,
    dtype: str,
    recorded: bool,
    counts: Sequence[int],
) -> dict[str, Any]:
    """What a kernel is compiled for; ``counts`` are the hoisted numbers of gradient, value, noise and privacy noise."""
    law = NOISES[noise]
    rows = 1 << (dimension - 1).bit_length()
    return {
        **dict(zip(("GRADIENT_COUNT", "VALUE_COUNT", "NOISE_COUNT", "PRIVACY_COUNT"), counts, strict=True)),
        "RADIAL": is_radial(objective),
        "OBJECTIVES": sum(1 << kernels.gradients[part].number for part in set(families(objective))),
        "FAMILIES": len(kernels.gradients),
        "NOISE": kernels.samples[noise].number,
        "WORDS": law.words,
        "SCALAR": not law.each,
        "EACH": _coordinates_of_a_draw(law),
        "ALONG": law.along,
        "PRIVACY": kernels.samples[PRIVACY_LAW].number,
        "PRIVACY_EACH": _coordinates_of_a_draw(NOISES[PRIVACY_LAW]),
        "ALGORITHM": ALGORITHMS.index(algorithm),
        "ROTATE": dimension == 1 and algorithm == "clipped_sgd" and law.words > 0,
        "RECORD": recorded,
        "DIMENSION": dimension,
        "ROWS": rows,
        "BLOCK": max(16, min(_MOST_LANES, _TILE // rows)),
        "real": getattr(importlib.import_module("triton.language"), dtype),
    }


def _coordinates_of_a_draw(law: Noise) -> int:
    return 2 if law.layout is Layout.PAIRS else 1


_POINTERS = {"step_counts": "*i32", "keys": "*i64", "checkpoints": "*i32", "valid": "*i8", "families": "*i32"}
_NUMBERS = {"first_replica": "i64", **dict.fromkeys(("replicas", "samples", "recorded", "longest"), "i32")}


def machine_code(objective: str, noise: str, dimension: int, algorithm: str, dtype: str, capability: int = 90) -> bytes:
    """The kernel as an NVIDIA GPU of this compute capability would run it; no GPU is needed.

    Raises:
        ValueError: if Triton is not installed.
    """
    kernels = load()
    triton = importlib.import_module("triton")
    parts = families(objective)
    formulas = ([kernels.gradients[p] for p in parts], [kernels.values[p] for p in parts], [kernels.samples[noise]])
    counts = [max(1, *(len(f.hoisted) for f in group)) for group in (*formulas, [kernels.samples[PRIVACY_LAW]])]
    constants = _constants(kernels, objective, noise, dimension, algorithm, dtype, True, counts)
    function = kernels.module.run_block
    kinds = {**_NUMBERS, "checkpoint_count": "i32", **_POINTERS, **dict.fromkeys(constants, "constexpr")}
    source = triton.compiler.ASTSource(
        function,
        {name: kinds.get(name, "*fp64") for name in function.arg_names},
        {(function.arg_names.index(name),): value for name, value in constants.items()},
    )
    target = importlib.import_module("triton.backends.compiler").GPUTarget("cuda", capability, 32)
    code: bytes = triton.compile(source, target=target, options={"enable_fp_fusion": False}).asm["cubin"]
    return code
