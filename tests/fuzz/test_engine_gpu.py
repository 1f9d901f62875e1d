"""The GPU engine against the compiled one: in Triton's interpreter, or on the device that ``$CLIPBOUNDS_GPU`` names.

Seeds are fixed: no false alarms. In one dimension both engines do the same operations; in several, norms are summed in
another order on a device, and float32 is compared after a few steps only.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gpu_cases import BLOCKS, FIELDS, KEY, cases
from test_engine_agreement import all_pairs

from fuzz.engine import gpu, philox, run
from fuzz.engine.printers.triton_source import module_source
from theorems.language.functions import NOISES, OBJECTIVES

DEVICE = os.environ.get("CLIPBOUNDS_GPU", "interpreter")
CASES = cases()


QUICK = ("d = 3, float64", "d = 4, float32", "dp_sgd, d = 8", "kinks", "overflow", "unequal lengths")
"""What the interpreter is through with in a few seconds; the others are slow tests."""
SHOWN = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES]


def run_cases(folder: Path, *names: str) -> Mapping[str, Any]:
    target = folder / "results.npz"
    command = [sys.executable, str(Path(__file__).with_name("gpu_cases.py")), str(target), DEVICE, *names]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    with np.load(target) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    return run_cases(tmp_path_factory.mktemp("gpu"), *QUICK)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    return run_cases(tmp_path_factory.mktemp("gpu"), *(name for name in CASES if name not in QUICK))


def test_words_are_bit_identical(quick: Mapping[str, Any]) -> None:
    replicas = (2**32 - 16 + np.arange(16)).astype(np.uint32)
    for k, block in enumerate(BLOCKS):
        assert np.array_equal(quick["words"][:, k], philox.words(KEY, replicas, block, 3, 2))


@pytest.mark.parametrize("name", SHOWN)
def test_agrees_with_the_compiled_engine(request: pytest.FixtureRequest, name: str) -> None:
    """Validity equal; numbers to 1e-12 (float64) or 1e-5 (float32) of the scale of the problem, which is 1."""
    results: Mapping[str, Any] = request.getfixturevalue("quick" if name in QUICK else "others")
    batch, options = CASES[name]
    expected = run(batch, backend="cpu", **options)
    tolerance = 1e-5 if options.get("dtype") == "float32" else 1e-12
    for field in FIELDS:
        wanted = getattr(expected, field)
        if wanted is None:
            assert f"{name}|{field}" not in results
        elif field == "valid":
            assert np.array_equal(results[f"{name}|valid"], wanted)
        else:
            np.testing.assert_allclose(
                results[f"{name}|{field}"], wanted, rtol=tolerance, atol=tolerance, err_msg=field
            )


def test_states_differ_between_runs(quick: Mapping[str, Any]) -> None:
    """The comparison has something to compare: noisy runs are not all alike."""
    last = quick["d = 3, float64|trajectories"][:, :, -1, 0]
    noisy = np.array([n != "none" for n in CASES["d = 3, float64"][0].noises])
    assert (last.std(1)[noisy] > 0).all()


def test_triton_is_of_the_test_extra() -> None:
    """Without it the tests above would fail, not be left out."""
    assert importlib.metadata.version("triton")


def test_every_family_is_printed() -> None:
    text, roles = module_source()
    assert set(roles["gradients"]) == set(roles["values"]) == set(OBJECTIVES)
    assert set(roles["samples"]) == set(NOISES)
    compile(text, "generated", "exec")
    list(tokenize.generate_tokens(iter(text.splitlines(keepends=True)).__next__))
    assert "Any" not in text


@pytest.mark.parametrize(
    ("objective", "noise", "dimension", "algorithm", "dtype"),
    [
        ("quadratic", "two_point", 1, "clipped_sgd", "float32"),
        ("log_cosh", "worst_two_point", 3, "clipped_sgd", "float64"),
        ("huber", "student_t", 12, "per_sample_clipping", "float64"),
        ("quartic", "gaussian", 64, "dp_sgd", "float32"),
        ("radial:huber", "gaussian", 8, "clipped_sgd", "float64"),
        ("radial:piecewise_exponential", "finite", 3, "dp_sgd", "float32"),
    ],
)
def test_compiles_for_a_gpu_that_is_not_there(
    objective: str, noise: str, dimension: int, algorithm: str, dtype: str
) -> None:
    """Triton and its assembler make machine code of compute capability 9.0 without a device."""
    assert gpu.machine_code(objective, noise, dimension, algorithm, dtype, capability=90)


def test_one_clear_line_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"^backend 'gpu' needs a GPU, and torch \S+ sees none$"):
        run(all_pairs(1, 2), 2, backend="gpu")


@pytest.mark.slow
def test_the_check_of_a_device_says_in_one_line_that_there_is_none() -> None:
    script = Path(__file__).parents[2] / "ci" / "gpu_check.sh"
    environment = {**os.environ, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"gpu_check: torch {torch.__version__} sees no GPU here\n"


def test_one_clear_line_without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    gpu.load.cache_clear()
    with pytest.raises(ValueError, match=r"^backend 'gpu' needs the package triton, which is not installed$"):
        gpu.load()


@pytest.mark.slow
def test_nothing_else_needs_triton() -> None:
    code = (
        "import sys; sys.modules['triton'] = None; import fuzz.engine.gpu;"
        "from fuzz.engine import Batch, Instance, run;"
        "print(run(Batch.of([Instance('quadratic', {'curvature': 1.0}, [1.0], 0.5, 1.0, 1)]), 1).final_gap.item())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0.125\n"


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cpu", "device must be a GPU such as 'cuda:0', or its number, not 'cpu'"),
        ("nonsense", "device must be a GPU such as 'cuda:0', or its number, not 'nonsense'"),
        (7, "device 7 does not exist: torch sees 2 GPUs"),
        ("cuda:2", "device 'cuda:2' does not exist: torch sees 2 GPUs"),
        (-1, "device must be a GPU such as 'cuda:0', or its number, not -1"),
    ],
)
def test_bad_devices_are_echoed(monkeypatch: pytest.MonkeyPatch, device: str | int, message: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=message):
        gpu.find_device(device)


def test_any_index_is_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert [str(gpu.find_device(d)) for d in (0, 7, "cuda:3")] == ["cuda:0", "cuda:7", "cuda:3"]


def test_other_backends_take_no_device() -> None:
    with pytest.raises(ValueError, match="backend 'cpu' runs on the CPU and takes no device, not 1"):
        run(all_pairs(1, 2), 2, device=1)


@pytest.mark.parametrize(("groups", "most"), [(None, 7), (1, 100), (4, 30), (60, 1)])
def test_out_of_memory_splits_and_leaves_no_trace(groups: int | None, most: int) -> None:
    """A device that holds ``most`` runs: the pieces that fit cover every run once, in whole groups or parts of one."""
    replicas, group_size = 60, 60 // (groups or 1)
    seen = np.zeros((5, replicas), int)

    def attempt(piece: gpu.Piece) -> None:
        count = piece.stop - piece.start
        if len(piece.rows) * count > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        assert count <= group_size or (count % group_size == 0 and piece.start % group_size == 0)
        assert piece.start // group_size == (piece.stop - 1) // group_size or count % group_size == 0
        seen[list(piece.rows), piece.start : piece.stop] += 1

    gpu.run_or_split(gpu.Piece((0, 1, 2, 3, 4), 0, replicas), group_size, attempt, torch.device("cpu"))
    assert (seen == 1).all()


def test_a_run_that_does_not_fit_is_one_clear_line() -> None:
    def attempt(piece: gpu.Piece) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(MemoryError, match=r"^out of memory on cpu with 1 run of instance 3$"):
        gpu.run_or_split(gpu.Piece((3, 4), 0, 8), 8, attempt, torch.device("cpu"))
