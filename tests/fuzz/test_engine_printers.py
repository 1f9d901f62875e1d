"""The printers: the same numbers on every target, a refusal of what they do not know; and the cache of kernels."""

from __future__ import annotations

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from fuzz.engine import generated, kernels, vmath
from fuzz.engine.printers.events import by_single_words
from fuzz.engine.printers.numba_source import numba_kernel
from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.engine.printers.source import UnprintableError
from fuzz.engine.printers.torch_source import torch_function
from fuzz.engine.stages import in_type_of_states, stages
from theorems.language.functions import NOISES
from theorems.language.special import balance, exprel, exprel2

a, b, v = sp.symbols("a b v", real=True)

FORMULAS = [
    a * v**2 / 2 + v / 3 - a / b,
    sp.Max(-a, sp.Min(a, b * v)) - sp.Min(v, 0, b),
    sp.Piecewise((a, v < 0), (b, sp.And(v >= 1, v < 2)), (v, True)),
    sp.exp(-2 * sp.Abs(v)) + sp.log(1 + v**2) - sp.log(2) + sp.tanh(a * v),
    sp.sqrt(a) / sp.sqrt(b) * sp.cos(2 * sp.pi * v) + sp.sin(v),
    (1 + v**2) ** (-2 / b) + sp.floor(3 * v) - 1 / (a * b) ** 2,
    (a - b) * v + (a - b) * v**3,
    sp.Integer(3) / 7 + sp.sqrt(2),
    exprel(a * v) + exprel2(b * v) - balance(v, a - b),
]
POINTS = np.array([-2.5, -1.0, -0.0, 0.3, 1.0, 1.75, 4.0])


def compiled_text(formula: sp.Expr) -> Any:
    """The Numba source, run as plain Python: its functions are plain Python too."""
    kernel = numba_kernel(formula, (a, b), {v: "v"})
    hoisted = {f"h{k}": float(e.subs({a: 1.5, b: 0.7})) for k, e in enumerate(kernel.hoisted)}
    body = "".join(f"    {line}\n" for line in [*kernel.lines[:-1], f"return {kernel.lines[-1]}"])
    namespace = {**vars(vmath), **hoisted}
    exec(f"def formula(v):\n{body}", namespace)
    return np.array([namespace["formula"](np.float64(p)) for p in POINTS])


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_targets_agree_with_sympy(formula: sp.Expr) -> None:
    exact = [float(formula.subs({a: 1.5, b: 0.7, v: sp.Float(float(p))})) for p in POINTS]
    by_numpy = numpy_function(formula, (v, a, b))(POINTS, 1.5, 0.7)
    by_torch = torch_function(formula, (v, a, b))(
        *(torch.as_tensor(n, dtype=torch.float64) for n in (POINTS, 1.5, 0.7))
    )
    for values in (by_numpy, np.asarray(by_torch), compiled_text(formula)):
        np.testing.assert_allclose(np.broadcast_to(values, POINTS.shape), exact, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (sp.gamma(v), "cannot print gamma"),
        (sp.Piecewise((a, v < 0)), "must end with a case that always holds"),
        (sp.Symbol("w") + 1, "no name is given for the symbol w"),
        (sp.oo * sp.Abs(v), "cannot print"),
        (sp.Derivative(sp.Function("f")(v), v), "cannot print Derivative"),
        (v + sp.I, "cannot print"),
    ],
)
def test_unknown_nodes_are_refused(formula: sp.Expr, message: str) -> None:
    for target in (numpy_function, torch_function):
        with pytest.raises(UnprintableError, match=message):
            target(formula, (v, a, b))
    with pytest.raises(UnprintableError, match=message):
        numba_kernel(formula, (a, b), {v: "v"})


def test_what_is_constant_in_the_loop_is_hoisted() -> None:
    kernel = numba_kernel(sp.Max(-a, sp.Min(a, b * v)) + a / (1 - b), (a, b), {v: "v"})
    assert set(kernel.hoisted) == {a, -a, b, a / (1 - b)}
    # Constant factors are one number: no division is left in the loop.
    kernel = numba_kernel(a * sp.tanh(2 * b * v / a), (a, b), {v: "v"})
    assert set(kernel.hoisted) == {a, 2 * b / a}
    assert "/" not in kernel.lines[-1]
    assert numba_kernel(v / 3, (), {v: "v"}, single=True).lines == ("((v) / (real(3.0)))",)


def test_torch_differentiates_through_what_is_not_taken() -> None:
    """At 0 a quotient is not taken, and must not leave a NaN in the gradient; a kink has the mean of both sides."""
    exact = {exprel(v): 0.5, exprel2(v): 1 / 3, v * balance(v, 0): 0.0, balance(v, 2 * a): 0.5}
    for formula, derivative in exact.items():
        point = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        one = torch.ones(1, dtype=torch.float64)
        (slope,) = torch.autograd.grad(torch_function(formula, (v, a))(point, one).sum(), point)
        assert float(slope) == pytest.approx(derivative, abs=1e-15)


def test_repeated_subexpressions_are_computed_once() -> None:
    kernel = numba_kernel(sp.exp(v * a) + sp.exp(v * a) ** 2 / 2, (a,), {v: "v"})
    assert sum(line.count("vexp(") for line in kernel.lines) == 2
    kernel = numba_kernel(sp.tanh(v * a) + sp.sqrt(1 + sp.tanh(v * a)), (a,), {v: "v"})
    assert sum(line.count("vtanh(") for line in kernel.lines) == 1


def test_racing_writers_leave_one_whole_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPBOUNDS_CACHE", str(tmp_path))
    text = "answer = 42\n"
    with ThreadPoolExecutor(8) as pool:
        modules = list(pool.map(lambda _: generated.load.__wrapped__(text, "1"), range(32)))
    assert all(m.answer == 42 for m in modules)
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert [p.read_text() for p in files] == [text]


def test_module_text_depends_on_formulas_and_precision_alone() -> None:
    texts = [kernels.module_source(dtype)[0] for dtype in ("float64", "float32", "float64")]
    assert texts[0] == texts[2] != texts[1]
    for first, second in itertools.pairwise(texts):
        assert first.splitlines()[0] == second.splitlines()[0]


def test_a_cache_that_cannot_be_written_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("CLIPBOUNDS_CACHE", str(blocked))
    monkeypatch.setattr(generated.tempfile, "tempdir", str(tmp_path))
    assert generated.load.__wrapped__("answer = 43\n", "1").answer == 43


def by_one_loop(lines: list[str], given: dict[str, float]) -> float:
    """The value of ``out`` after the lines."""
    names = {"np": np, "real": float, **vmath.__dict__, **given}
    exec("\n".join(lines), names)
    return float(names["out"])


STAGED = {
    "sum of chains": (["out = h0 * np.sqrt(-2.0 * vlog(u0)) * vcos_turns(u1)"], 2),
    "a chain": (["out = vexp(vlog(v + 1.0) * h0) - v"], 5),
    "composed": (["t0 = v * h0", "out = t0 * vexprel(h0 * abs(t0)) + vtanh(t0) + vpower(u0, (-h0 + u1))"], 5),
    "shared condition": (["t0 = u0 < h0", "out = (u1 if t0 else h0) * vlog((u0 / h0 if t0 else u0))"], 3),
    "no function": (["t0 = v + h0", "out = min(t0, abs(v))"], 1),
}


@pytest.mark.parametrize("name", list(STAGED))
def test_cut_loops_do_what_one_loop_does(name: str) -> None:
    """Each stage sees the rows of the buffer and what every loop may read, and nothing else."""
    lines, count = STAGED[name]
    given = {"v": -0.75, "u0": 0.125, "u1": 0.8125, "h0": 0.3}
    parts = stages(lines)
    assert len(parts) == count
    buffer: dict[int, float] = {}
    for part in parts:
        names: dict[str, Any] = {"np": np, "real": float, **vmath.__dict__, **given}
        names |= {read: buffer[row] for read, row in part.reads}
        exec("\n".join(part.lines), names)
        buffer |= {row: names[written] for written, row in part.writes}
        out = names.get("out")
    assert out == by_one_loop(lines, given)
    # Where it matters, in single precision, what is float64 stays so.
    single = in_type_of_states(parts)
    assert not any(name.startswith("s") for name in single)
    assert single >= ({"t0"} if name in ("composed", "no function") else set())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_laws_of_two_atoms_are_drawn_where_words_are_made(dtype: str) -> None:
    body = kernels.module_source(dtype)[0].split("# Generated by")[1].split("def atoms(")[1].split("\nBUFFER")[0]
    assert re.findall(r"# (\w+)", body) == ["two_point", "symmetric_two_point"]
    # The count of words that choose the second atom, then the second and the first, in the type of states.
    assert re.findall(r"h(\d) = (\S+)\[instance, 0, (\d)\]", body) == [
        (str(k), read, str(k)) for _ in range(2) for k, read in enumerate(("single", "single", "np.uint32(h"))
    ]
    assert body.count("atom_lanes(out, lead, key0, key1, block, h2, h1, h0, lanes)") == 2


def test_growth_is_printed_without_its_division() -> None:
    """``u exprel(k |u|)`` where k is a positive constant and nothing but constants is beside it."""
    u, negative, k = sp.Min(v, 2), sp.Symbol("n", negative=True), sp.Symbol("k", positive=True)
    formula = -3 * a * u * exprel(k * sp.Abs(u))
    grown = numba_kernel(formula, (a, k), {v: "v"})
    assert "vexprel" not in " ".join(grown.lines)
    numbers = {f"h{n}": float(e.subs({a: 1.5, k: 0.7})) for n, e in enumerate(grown.hoisted)}
    for point in POINTS:
        names = {**vars(vmath), **numbers, "v": point}
        exec("\n".join([*grown.lines[:-1], f"out = {grown.lines[-1]}"]), names)
        exact = float(formula.subs({a: 1.5, k: 0.7, v: sp.Float(float(point))}))
        assert names["out"] == pytest.approx(exact, rel=1e-15)
    for other in (
        u * exprel(k * u),
        u**2 * exprel(k * sp.Abs(u)),
        v * u * exprel(k * sp.Abs(u)),
        u * exprel(k * sp.Abs(v)),
        u * exprel(sp.Abs(u)),
        u * exprel(a * sp.Abs(u)),
        u * exprel(k + sp.Abs(u)),
        u * exprel(negative * sp.Abs(u)),
        u * exprel((1 + v**2) * sp.Abs(u)),
        exprel(k * sp.Abs(u)) + u,
    ):
        text = " ".join(numba_kernel(other, (a, k, negative), {v: "v"}).lines)
        assert "vexprel" in text, other
        assert "vgrowth" not in text, other
    # Of the families, one.
    for dtype, growth in (("float32", "growth_32("), ("float64", "vgrowth(")):
        loops = kernels.module_source(dtype)[0].split("# Generated by")[1].split("def advance(")[1].split("\ndef ")[0]
        named = {part.split("\n")[0] for part in loops.split("# ")[1:] if growth in part}
        assert named == {"piecewise_exponential"}


def test_what_float32_reads_from_words() -> None:
    """Logarithm and cosine alone; other functions of uniforms, and laws of the state, have float64."""
    chosen = {name for name, noise in NOISES.items() if by_single_words(noise) is not None}
    assert chosen == {"gaussian", "skewed_exponential", "chi_square", "symmetric_chi_square"}
    single, double = (kernels.module_source(dtype)[0].split("# Generated by")[1] for dtype in ("float32", "float64"))
    assert "vlog_word(words" in single
    assert "vlog_word(words" not in double
    for loops in ("draws", "pairs"):
        body = single.split(f"def {loops}(")[1].split("# gaussian")[1].split("elif")[0].split("def ")[0]
        assert "vlog_word" in body
        assert "float64" not in body
        assert "= h[" not in body
