"""Witnesses of the catalogue made into exact problems, and checked for what they are said to attain."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import sympy as sp
from sympy import Rational as Q
from sympy import sqrt

from fuzz.certify import at_least, certify
from fuzz.constants import sign, value
from fuzz.problem import Family, FiniteLaw, Problem
from fuzz.realise import realise
from fuzz.rescore import deviation_of
from theorems.catalogue import load_catalogue
from theorems.language import (
    F0,
    GRADIENT,
    L0,
    L1,
    BoundedVariance,
    Domain,
    Drift,
    L,
    Lower,
    MinGradientNorm,
    Parameter,
    Smooth,
    Source,
    T,
    Theorem,
    Witness,
    c,
    eta,
    m,
    sigma,
)
from theorems.language.functions import LATTICE, OBJECTIVES, x

ONE, ZERO = sp.Integer(1), sp.Integer(0)
CATALOGUE = load_catalogue()
Values = Mapping[sp.Symbol, sp.Expr]


def made(name: str, witness: str, values: Values) -> Problem:
    """A witness of the catalogue; every problem must survive being written and read."""
    theorem = CATALOGUE[name]
    found = realise(theorem, next(w for w in theorem.witness if w.name == witness), values)
    assert Problem.from_json(found.to_json()) == found
    return found


def certified(name: str, candidate: Problem, values: Values) -> None:
    for assumption in CATALOGUE[name].given:
        certify(assumption.substitute(dict(values)), candidate)


def at_start(candidate: Problem, formula: str) -> sp.Expr:
    profile, numbers = OBJECTIVES[candidate.objective.name], candidate.objective.coordinates[0]
    pairs = {x: candidate.start[0], **{p: numbers[p.name] for p in profile.parameters}}
    return value(getattr(profile, formula), pairs)


def step(candidate: Problem, noise: sp.Expr) -> sp.Expr:
    """``clip_c(f'(start) + noise)``, exactly."""
    threshold = candidate.clipping_threshold
    return value(sp.Max(-threshold, sp.Min(threshold, at_start(candidate, "gradient") + noise)), {})


def drift(candidate: Problem) -> sp.Expr:
    assert isinstance(candidate.noise, FiniteLaw)
    return sum((p * step(candidate, v) for p, (v,) in candidate.noise.atoms), ZERO)


def equal(a: sp.Expr, b: sp.Expr) -> bool:
    return sign(sp.sympify(a) - b) == 0


# -- one step ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["S2", "K23_lower"])
@pytest.mark.parametrize(
    ("threshold", "deviation"),
    [(Q(1), Q(1)), (Q(1), Q(2)), (Q(2, 3), Q(1, 7)), (Q(5), sqrt(2)), (Q(1), Q(3)), (Q(2, 3), Q(7, 5)), (Q(1), ZERO)],
)
def test_stuck_points(name: str, threshold: sp.Expr, deviation: sp.Expr) -> None:
    """``E clip_c(g) = 0`` exactly at gradient norm B*, with the stated variance, whatever the probabilities are."""
    values = {c: threshold, sigma: deviation}
    if deviation == 0:
        found = made(name, "no noise", values)
        assert found.deterministic
        assert found.start == (0,)
        certified(name, found, values)
        return
    light = at_least(2 * threshold, deviation)
    found = made(name, "light noise" if light else "heavy noise", values)
    bias = deviation**2 / (4 * threshold) if light else deviation - threshold
    assert equal(at_start(found, "gradient"), bias)
    assert equal(drift(found), ZERO)
    assert equal(found.noise.second_moment, deviation**2)
    assert (found.step_size, found.clipping_threshold, found.steps) == (1, threshold, 1)
    assert not found.tags
    certified(name, found, values)


@pytest.mark.parametrize(
    ("witness", "threshold", "deviation", "norm"),
    [
        ("two points, near", Q(1), Q(1), Q(1, 2)),
        ("two points, near", Q(1), sqrt(2), Q(1)),
        ("two points, near", Q(3, 7), Q(1, 5), Q(2, 3)),
        ("two points, near", Q(2), Q(3), ZERO),
        ("two points, far", Q(1), Q(3), Q(1, 3)),
        ("two points, far", Q(2, 3), Q(7, 5), Q(2)),
        ("two points, far", Q(1), Q(1, 9), Q(4)),
        ("two points, far", Q(1), sqrt(11), ZERO),
    ],
)
def test_worst_drift_is_attained(witness: str, threshold: sp.Expr, deviation: sp.Expr, norm: sp.Expr) -> None:
    values = {c: threshold, sigma: deviation, m: norm}
    found = made("S1", witness, values)
    assert equal(at_start(found, "gradient"), norm)
    assert equal(drift(found), value(CATALOGUE["S1"].bound, values))
    assert equal(found.noise.second_moment, deviation**2)
    certified("S1", found, values)


@pytest.mark.parametrize(
    ("norm", "threshold", "curvature", "step_size"),
    [(Q(1, 2), Q(1), Q(3), Q(1, 7)), (Q(1), Q(1), Q(1), Q(1)), (ZERO, Q(2), Q(1, 9), Q(9))],
)
def test_descent_lemma_is_an_equality(
    norm: sp.Expr, threshold: sp.Expr, curvature: sp.Expr, step_size: sp.Expr
) -> None:
    # The witness takes L1 = 0, whatever is given.
    values = {m: norm, c: threshold, L0: curvature, L1: Q(5), eta: step_size}
    found = made("D0", "quadratic", values)
    assert found.step_size == step_size
    assert found.deterministic
    settled = {**values, L1: ZERO}
    certified("D0", found, settled)
    after = found.start[0] - step_size * step(found, ZERO)
    change = curvature * (after**2 - found.start[0] ** 2) / 2
    assert equal(change, value(CATALOGUE["D0"].bound, settled))


# -- whole runs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("threshold", "deviation"), [(Q(1), Q(1)), (Q(1), Q(3)), (Q(2, 3), Q(7, 5)), (Q(1), sqrt(2))])
def test_trajectory_at_the_bias(threshold: sp.Expr, deviation: sp.Expr) -> None:
    values = {c: threshold, sigma: deviation, L: Q(3), eta: Q(1, 7), T: sp.Integer(50)}
    found = made("S2_T", "worst noise on a quadratic", values)
    assert found.noise == Family("worst_two_point", ({"sigma": deviation},))
    assert found.tags == {"oracle"}
    assert (found.step_size, found.steps) == (Q(1, 7), 50)
    assert equal(at_start(found, "gradient"), value(CATALOGUE["S2_T"].bound, values))
    certified("S2_T", found, values)


def run_exactly(candidate: Problem) -> tuple[sp.Expr, sp.Expr]:
    """F0 and the average gradient norm of a run without noise, exactly."""
    profile, numbers = OBJECTIVES[candidate.objective.name], candidate.objective.coordinates[0]
    pairs = {p: numbers[p.name] for p in profile.parameters}
    at, total = candidate.start[0], ZERO
    gap = value(profile.value, {**pairs, x: at})
    for _ in range(candidate.steps):
        slope = value(profile.gradient, {**pairs, x: at})
        total += value(sp.Abs(slope), {})
        limit = candidate.clipping_threshold
        at = sp.expand(at - candidate.step_size * value(sp.Max(-limit, sp.Min(limit, slope)), {}))
    return gap, total / candidate.steps


@pytest.mark.parametrize(
    ("gap", "threshold", "step_size", "steps"),
    [(Q(2, 3), Q(1), Q(1, 7), 30), (Q(1, 5), Q(4), Q(1, 3), 7), (Q(301, 600), Q(10), Q(1, 3), 1)],
)
def test_slope_then_bowl(gap: sp.Expr, threshold: sp.Expr, step_size: sp.Expr, steps: int) -> None:
    """F0 is what the statement says, and the average is the slope: ``ratio`` times the bound."""
    values = {F0: gap, c: threshold, L0: Q(3), L1: Q(1), eta: step_size, T: sp.Integer(steps)}
    witness = next(w for w in CATALOGUE["D1"].witness if w.name == "slope then bowl")
    found = made("D1", "slope then bowl", values)
    settled = {**values, L1: ZERO}
    certified("D1", found, settled)
    seen, average = run_exactly(found)
    assert equal(seen, gap)
    assert equal(average, found.objective.coordinates[0]["slope"])
    expanded = CATALOGUE["D1"].expand(witness.ratio)
    assert equal(average, value(expanded, settled) * value(CATALOGUE["D1"].bound, settled))


def test_two_slopes_and_one_step() -> None:
    steep = Parameter("A", GRADIENT, Domain.POSITIVE, "gradient of the steep part")
    values = {F0: Q(9), c: ONE, L0: Q(2), L1: Q(1, 2), eta: Q(1, 8), T: sp.Integer(100), steep: Q(7)}
    found = made("D1", "two slopes", values)
    assert found.objective.name == "slope_then_bowl"
    seen, average = run_exactly(found)
    # F0 is fixed by the witness; the value given for it is overridden.
    assert seen != 9
    settled = {**values, L1: ZERO, F0: seen}
    certified("D1", found, settled)
    assert at_least(value(CATALOGUE["D1"].bound, settled), average)
    bottom = made("D1", "one step to the bottom", {F0: Q(1, 3), c: Q(9), L0: Q(2), L1: Q(7), eta: Q(5), T: Q(12)})
    assert (bottom.step_size, bottom.steps) == (Q(1, 2), 1)
    assert equal(bottom.start[0], sqrt(3) / 3)
    assert run_exactly(bottom)[0] == Q(1, 3)
    with pytest.raises(ValueError, match="no value is given for A"):
        made("D1", "two slopes", {k: v for k, v in values.items() if k != steep})


# -- noises of a statement's own ---------------------------------------------------------------------------------------


def statement(quantity: sp.Symbol, **changes: object) -> Theorem:
    fields: dict[str, object] = {
        "name": "a-claim",
        "source": Source("tests", "1"),
        "given": [Smooth(L), BoundedVariance(sigma)],
        "when": [eta * L <= 1],
        "claim": Lower(quantity, sigma),
    }
    return Theorem(**{**fields, **changes})


def with_noise(noise: str, start: sp.Expr = ONE, **numbers: sp.Expr) -> Witness:
    return Witness("mine", "quadratic", {"curvature": L}, noise, numbers, start)


VALUES: dict[sp.Symbol, sp.Expr] = {L: ONE, sigma: ONE, c: ONE, eta: Q(1, 2), T: sp.Integer(8)}


@pytest.mark.parametrize("start", [Q(1, 4), Q(-1, 4), ZERO, sqrt(2)])
def test_an_oracle_in_one_step_is_the_law_of_its_atoms(start: sp.Expr) -> None:
    found = realise(statement(Drift), with_noise("worst_two_point", start, sigma=sigma), VALUES)
    assert found.tags == {"oracle"}
    assert isinstance(found.noise, FiniteLaw)
    assert all((p * LATTICE).is_Integer for p, _ in found.noise.atoms)
    assert equal(found.noise.mean[0], ZERO)
    certify(BoundedVariance(ONE), found)
    # Rounding to the lattice costs next to nothing; along the gradient it is S1's drift.
    assert at_least(found.noise.second_moment, 1 - Q(1, 10**8))
    along = drift(found) * (-1 if start < 0 else 1)
    worst = value(CATALOGUE["S1"].bound, {m: abs(start), c: ONE, sigma: ONE})
    assert at_least(along, worst)
    assert at_least(worst + Q(1, 10**8), along)
    assert Problem.from_json(found.to_json()) == found


def test_probabilities_off_the_lattice() -> None:
    third = with_noise("two_point", up=sigma, probability=Q(1, 3))
    one_step = realise(statement(Drift), third, VALUES)
    assert one_step.noise == FiniteLaw(((Q(1, 3), (1,)), (Q(2, 3), (-Q(1, 2),))))
    with pytest.raises(ValueError, match="probability must be a multiple of 2\\^-32"):
        realise(statement(MinGradientNorm), third, VALUES)
    quarter = with_noise("two_point", up=sigma, probability=Q(1, 4))
    whole = realise(statement(MinGradientNorm), quarter, VALUES)
    assert whole.noise == Family("two_point", ({"up": 1, "probability": Q(1, 4)},))
    assert equal(deviation_of(whole), sqrt(3) / 3)


def test_letters_of_the_algorithm() -> None:
    quiet = with_noise("none")
    run = realise(statement(MinGradientNorm), quiet, VALUES)
    assert (run.step_size, run.clipping_threshold, run.steps) == (Q(1, 2), 1, 8)
    bare = statement(Drift, given=[BoundedVariance(sigma)], when=[])
    still = realise(bare, quiet, {L: ONE, sigma: ONE, c: Q(3)})
    assert (still.step_size, still.clipping_threshold, still.steps) == (1, 3, 1)
    assert realise(bare, quiet, VALUES).steps == 1
    assert realise(bare, quiet, VALUES).step_size == Q(1, 2)


@pytest.mark.parametrize(
    ("theorem", "witness", "changes", "match"),
    [
        (statement(MinGradientNorm), with_noise("none"), {eta: None}, "no value is given for eta"),
        (statement(MinGradientNorm), with_noise("none"), {T: None}, "no value is given for T"),
        (statement(MinGradientNorm), with_noise("none"), {c: None}, "no value is given for c"),
        (statement(Drift), with_noise("none"), {eta: None}, "no value is given for eta"),
        (statement(Drift), with_noise("none"), {L: None}, "curvature: no value is given for L"),
        (
            statement(Drift),
            with_noise("none"),
            {eta: Q(2)},
            "the statement's condition L\\*eta <= 1 fails at L = 1, eta = 2",
        ),
        (statement(Drift), with_noise("none"), {c: ZERO}, "c must be positive, not 0"),
        (statement(Drift), with_noise("none"), {sigma: Q(-1)}, "sigma must be non-negative"),
        (statement(Drift), with_noise("none"), {T: Q(3, 2)}, "T must be a positive integer"),
        (statement(Drift), with_noise("none"), {c: sp.Float(1.5)}, "is not an exact real number"),
        (statement(Drift), with_noise("none"), {L: sp.oo}, "is not an exact real number"),
        (statement(Drift), with_noise("none"), {L: sqrt(-2)}, "is not an exact real number|not a real number"),
        (statement(Drift), with_noise("none", 1 / (L - 1)), {}, "start: division by zero"),
        (statement(Drift), with_noise("none", sp.exp(L)), {}, "start: not an exact number"),
        (statement(Drift), with_noise("gaussian", scale=sigma), {}, "gaussian has no finite law"),
        (statement(Drift), with_noise("two_point", up=sigma, probability=2 * L), {}, "probability < 1 is required"),
        (statement(Drift), with_noise("two_point", up=sigma), {}, "needs the numbers"),
        (statement(Drift), with_noise("bimodal"), {}, "unknown family 'bimodal'"),
        (statement(Drift), with_noise("worst_two_point", sigma=sigma - 1), {}, "sigma must be positive"),
    ],
)
def test_refusals_are_one_line(
    theorem: Theorem, witness: Witness, changes: dict[sp.Symbol, sp.Expr | None], match: str
) -> None:
    values = {s: v for s, v in {**VALUES, **changes}.items() if v is not None}
    with pytest.raises(ValueError, match=match) as caught:
        realise(theorem, witness, values)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("witness 'mine' of a-claim: ")


def test_conditions_of_the_witness() -> None:
    with pytest.raises(ValueError, match="its condition sigma <= 2\\*c fails at c = 1, sigma = 3"):
        made("S2", "light noise", {c: ONE, sigma: Q(3)})
    # An equality that floats would miss: sigma = 2c.
    double = {c: sqrt(2) + sqrt(3), sigma: 2 * sqrt(5 + 2 * sqrt(6))}
    assert equal(drift(made("S2", "light noise", double)), ZERO)
    with pytest.raises(ValueError, match="its condition sigma > 2\\*c fails"):
        made("S2", "heavy noise", double)


def test_fixed_letters_may_build_on_each_other() -> None:
    chained = Witness("mine", "quadratic", {"curvature": L}, start=m / L, at={L: c * eta, eta: 1 / T, m: L / 2})
    found = realise(statement(MinGradientNorm), chained, VALUES)
    assert (found.step_size, found.objective.coordinates[0]["curvature"], found.start) == (Q(1, 8), Q(1, 8), (Q(1, 2),))
    circular = Witness("mine", "quadratic", {"curvature": L}, at={L: eta, eta: L})
    with pytest.raises(ValueError, match="it fixes L, eta by each other"):
        realise(statement(MinGradientNorm), circular, VALUES)
