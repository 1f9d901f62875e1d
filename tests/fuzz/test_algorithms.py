"""Relatives of clipped SGD: what a problem says of them, which are plain in disguise, and what certifies them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import sympy as sp

from fuzz import reduction
from fuzz.budget import Budget, Meter
from fuzz.certify import CertificateError, certify, certify_algorithm, privacy_variance
from fuzz.engine import run
from fuzz.instance import batch_of
from fuzz.minimise import minimise
from fuzz.onestep import exactly_stuck
from fuzz.problem import PLAIN, Algorithm, Family, FiniteLaw, Problem
from fuzz.reading import Reading
from fuzz.reduction import mean_law, reduced
from fuzz.rescore import letters_of, rescore
from fuzz.search import _Search, search
from fuzz.simplifications import fraction_of, law_of
from fuzz.strategies import boundary_structures, draw_structures, landscape, sample_counts
from theorems.catalogue import load_catalogue
from theorems.language import (
    AverageGradientNorm,
    BatchClipping,
    BoundedVariance,
    ClipSecondMoment,
    Drift,
    FinalGap,
    Floor,
    Max,
    PerSampleClipping,
    PrivacyNoise,
    Rational,
    Source,
    StuckGradientNorm,
    Symmetric,
    Theorem,
    Upper,
    c,
    sigma,
)
from theorems.sharp.s4_private import n

LAW = FiniteLaw(((Rational(1, 4), (sp.Integer(3),)), (Rational(3, 4), (sp.Integer(-1),))))
CATALOGUE = load_catalogue()


def problem(algorithm: Algorithm, noise: Family | FiniteLaw = LAW, steps: int = 2) -> Problem:
    return Problem(
        objective=Family("quadratic", ({"curvature": sp.Integer(1)},)),
        noise=noise,
        start=(Rational(1, 2),),
        step_size=Rational(1, 3),
        clipping_threshold=sp.Integer(1),
        steps=steps,
        algorithm=algorithm,
    )


NO_NOISE = Family("none", ({},))
BATCH, EACH = Algorithm("batch_clipping", 3), Algorithm("per_sample_clipping", 3)
PRIVATE = Algorithm("dp_sgd", 2, Rational(1, 2))


@pytest.mark.parametrize("algorithm", [PLAIN, BATCH, EACH, PRIVATE], ids=str)
def test_a_problem_keeps_its_algorithm_as_json(algorithm: Algorithm) -> None:
    data = problem(algorithm).to_json()
    assert Problem.from_json(data) == problem(algorithm)
    # Files of before the algorithms were written are read, and plain problems are written, as they were.
    assert ("algorithm" in data) == (algorithm != PLAIN)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("adam",), "unknown algorithm 'adam'"),
        (("batch_clipping", 0), "samples must be an integer between 1 and 4096, not 0"),
        (("batch_clipping", 2.0), "not 2.0"),
        (("clipped_sgd", 2), "clipped_sgd takes one sample"),
        (("dp_sgd", 1, -1), "privacy_deviation must be finite and >= 0, not -1"),
        (("dp_sgd", 1, sp.oo), "not oo"),
        (("per_sample_clipping", 2, 1), "adds no noise of its own"),
    ],
)
def test_an_impossible_algorithm_is_refused_in_one_line(arguments: tuple[object, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Algorithm(*arguments)  # type: ignore[arg-type]


# -- plain in disguise -------------------------------------------------------------------------------------------------


def test_the_mean_of_samples_is_one_sample_of_another_law() -> None:
    mean = mean_law(LAW, 2)
    assert mean is not None
    assert {v[0]: p for p, v in mean.atoms} == {
        sp.Integer(3): Rational(1, 16),
        sp.Integer(1): Rational(6, 16),
        sp.Integer(-1): Rational(9, 16),
    }
    assert mean.second_moment == LAW.second_moment / 2


def test_a_wrong_mean_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = reduction.mean_of
    monkeypatch.setattr(reduction, "mean_of", lambda law, samples: honest(law, samples + 1))
    with pytest.raises(ArithmeticError, match="the mean of 2 samples"):
        mean_law(LAW, 2)


def test_what_has_no_plain_form_has_none() -> None:
    for quantity in (AverageGradientNorm, FinalGap, ClipSecondMoment):
        assert reduced(problem(EACH), quantity) is None
    assert reduced(problem(PRIVATE, NO_NOISE), AverageGradientNorm) is None
    assert reduced(problem(Algorithm("batch_clipping", 63)), FinalGap) is not None
    assert reduced(problem(Algorithm("batch_clipping", 64)), FinalGap) is None
    assert reduced(problem(BATCH, Family("gaussian", ({"scale": sp.Integer(1)},))), FinalGap) is None


def test_what_has_a_plain_form_keeps_its_value() -> None:
    assert reduced(problem(EACH, NO_NOISE), FinalGap) == problem(PLAIN, NO_NOISE)
    assert reduced(problem(replace(EACH, samples=1)), FinalGap) == problem(PLAIN)
    assert reduced(problem(PRIVATE), Drift) == problem(PLAIN)
    assert reduced(problem(EACH), StuckGradientNorm) == problem(PLAIN)


def test_the_engine_runs_the_same_law_either_way() -> None:
    """Batch clipping, and clipped SGD with the mean's law: their means agree within Bernstein's bound.

    An average lies in [0, 2]; with 2 x 40000 runs the chance of a difference beyond the bound is below 1e-9.
    """
    plain = reduced(problem(BATCH, steps=5), AverageGradientNorm)
    assert plain is not None
    runs = 40_000
    first, second = (
        run(batch_of(p, seed=7, purpose=w), runs) for p, w in ((problem(BATCH, steps=5), "a"), (plain, "b"))
    )
    stray = 2 * np.sqrt(np.log(4e9) / (2 * runs)) * 2
    means = [s.average_gradient_norm.mean() for s in (first, second)]
    assert abs(means[0] - means[1]) < stray
    # And clipping each sample apart is something else, by more than that.
    other = run(batch_of(problem(EACH, steps=5), seed=7), runs).average_gradient_norm.mean()
    one = run(batch_of(problem(PLAIN, steps=5), seed=7), runs).average_gradient_norm.mean()
    assert len({round(float(v), 3) for v in (means[0], other, one)}) == 3


@pytest.mark.parametrize("algorithm", [BATCH, EACH], ids=str)
def test_the_engine_agrees_with_every_history(algorithm: Algorithm) -> None:
    """Two steps of three samples of two atoms: 4096 histories weighed by hand, against as many runs.

    A gap lies in [0, 1]; by Hoeffding 200000 runs stray by more than 0.0075 with a chance below 1e-9.
    """
    what = problem(algorithm)
    atoms = [(Fraction(1, 4), Fraction(3)), (Fraction(3, 4), Fraction(-1))]

    def clip(g: Fraction) -> Fraction:
        return max(Fraction(-1), min(Fraction(1), g))

    states = {Fraction(1, 2): Fraction(1)}
    for _ in range(2):
        after: dict[Fraction, Fraction] = {}
        for (x, chance), drawn in product(states.items(), product(atoms, repeat=3)):
            samples = [x + z for _, z in drawn]
            step = clip(sum(samples) / 3) if algorithm == BATCH else sum(map(clip, samples), Fraction(0)) / 3
            weight = chance * drawn[0][0] * drawn[1][0] * drawn[2][0]
            after[x - step / 3] = after.get(x - step / 3, Fraction(0)) + weight
        states = after
    exact = sum(p * x * x / 2 for x, p in states.items())
    assert abs(float(run(batch_of(what), 200_000).final_gap.mean()) - float(exact)) < 0.0075


# -- certificates ------------------------------------------------------------------------------------------------------


def test_a_certificate_says_how_many_samples_there_are() -> None:
    assert certify(BatchClipping(sp.Integer(3)), problem(BATCH)).numbers == {"n": 3}
    assert certify(PerSampleClipping(sp.Integer(2)), problem(PRIVATE)).numbers == {"n": 2}
    assert certify(BatchClipping(sp.Integer(1)), problem(PLAIN)).numbers == {"n": 1}
    for assumption, algorithm, says in (
        (BatchClipping(sp.Integer(2)), BATCH, "n = 2 is given, the problem takes 3"),
        (BatchClipping(sp.Integer(3)), EACH, "the algorithm is per_sample_clipping"),
        (PerSampleClipping(sp.Integer(3)), BATCH, "the algorithm is batch_clipping"),
        (PerSampleClipping(Rational(3, 2)), EACH, "n must be"),
    ):
        with pytest.raises(CertificateError, match=says):
            certify(assumption, problem(algorithm))


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_the_added_noise_is_certified_as_it_is_drawn(dimension: int) -> None:
    """Its scale is a float next to zeta/sqrt(d), which may be more than that."""
    law = Algorithm("dp_sgd", 1, Rational(1, 3))
    what = replace(
        problem(law, NO_NOISE),
        objective=Family("quadratic", ({"curvature": sp.Integer(1)},) * dimension),
        noise=Family("none", ({},) * dimension),
        start=(sp.Integer(1),) * dimension,
    )
    drawn = sp.Rational(*float(batch_of(what).privacy_scale()[0]).as_integer_ratio())
    assert privacy_variance(what) >= dimension * drawn**2
    assert certify(PrivacyNoise(Rational(1, 3) * (1 + Rational(1, 10**12))), what)
    with pytest.raises(CertificateError, match="is needed"):
        certify(PrivacyNoise(Rational(1, 3) * (1 - Rational(1, 10**12))), what)
    assert certify(PrivacyNoise(sp.Integer(0)), replace(what, algorithm=PLAIN))


def test_an_algorithm_of_which_no_assumption_speaks_is_refused() -> None:
    batch, each, added = BatchClipping(n), PerSampleClipping(n), PrivacyNoise(sigma)
    for given, algorithm in (
        ([], BATCH),
        ([], EACH),
        ([], PRIVATE),
        ([batch], EACH),
        ([each], BATCH),
        ([each], PRIVATE),
        ([added], PRIVATE),
    ):
        with pytest.raises(CertificateError):
            certify_algorithm(given, problem(algorithm))
    for given, algorithm in (
        ([batch], BATCH),
        ([each], EACH),
        ([each, added], PRIVATE),
        ([added], replace(PRIVATE, samples=1)),
    ):
        certify_algorithm([BoundedVariance(sigma), *given], problem(algorithm))


# -- search ------------------------------------------------------------------------------------------------------------


def test_structures_take_as_many_samples_as_the_conditions_allow() -> None:
    planted = CATALOGUE["planted_batch_too_quiet"]
    assert sample_counts(Reading(planted)) == (4, 16, 64)
    assert sample_counts(Reading(CATALOGUE["S6_bias"])) == (1, 2, 3)
    assert sample_counts(Reading(CATALOGUE["S3"])) == (1,)
    many = _with(planted, [n >= 1000])
    assert sample_counts(Reading(many)) == (1000,)
    drawn = {s.samples for s in draw_structures(Reading(planted), 40, 1)}
    assert drawn == {4, 16, 64}
    assert {s.samples for s in boundary_structures(Reading(planted))} == {4, 16, 64}


def _with(theorem: Theorem, when: list[sp.Basic]) -> Theorem:
    return Theorem(
        name="changed",
        source=theorem.source,
        given=theorem.given,
        where=theorem.where,
        when=[*theorem.when, *when],
        claim=theorem.claim,
    )


@pytest.mark.parametrize("name", ["S4", "S6", "S6_bias", "S3_per_sample", "planted_symmetric_samples"])
def test_every_problem_of_a_search_is_certified(name: str) -> None:
    """The exact problem of a point runs the algorithm that the theorem speaks of, with the letters that it needs."""
    reading = Reading(CATALOGUE[name])
    rng, seen = np.random.default_rng(3), 0
    for structure in draw_structures(reading, 6, 5):
        inside = landscape(reading, structure)
        for raw in rng.random((8, len(inside.genes))):
            found = inside.problem(raw)
            if found is None:
                continue
            seen += 1
            what, choices = found
            certify_algorithm(reading.theorem.given, what)
            assert what.algorithm.samples == structure.samples
            for assumption in reading.theorem.given:
                if isinstance(assumption, PrivacyNoise):
                    assert certify(PrivacyNoise(choices[reading.privacy_letter]), what)
    assert seen > 5


def test_the_same_seed_finds_the_same_on_other_algorithms() -> None:
    first, second = (search(CATALOGUE["planted_private_for_free"], Budget(steps=200_000), seed=4) for _ in range(2))
    assert first.candidates == second.candidates
    assert first.score > 1


def test_the_minimiser_leaves_out_samples_and_noise_that_do_nothing() -> None:
    """A bias that one sample shows as well as sixteen, and of which added noise is no part."""
    theorem = _with(CATALOGUE["planted_symmetric_samples"], [])
    twelve = FiniteLaw(tuple((Rational(1, 2), (sp.Integer(s * 4),)) for s in (1, -1)))
    start = replace(problem(Algorithm("per_sample_clipping", 16), twelve, steps=1), start=(sp.Integer(3),))
    small, choices = minimise(theorem, start, {sigma: sp.Integer(4)}, budget=Budget(steps=20_000))
    assert small.algorithm.samples == 1
    assert choices[sigma] >= 3 * small.clipping_threshold


def test_a_stuck_point_that_is_rounding_alone_is_none() -> None:
    """Symmetric noise that is never clipped has drift m, which floats round to 0 near 0: no violation of a bound 0."""
    reading = Reading(_symmetric_bias())
    quiet = next(s for s in boundary_structures(reading) if s.deviation[1] <= 0.3)
    inside = landscape(reading, quiet)
    points = np.random.default_rng(0).random((64, len(inside.genes)))
    scores = inside.evaluate(points, 1, Meter(Budget(steps=10**6)), 0, 0)
    assert not np.isfinite(scores.score).any()
    assert search(reading.theorem, Budget(steps=20_000), enough=1.05).candidates[0].score > 1


def _symmetric_bias() -> Theorem:
    return Theorem(
        name="symmetric_bias",
        source=Source("tests", "S5 by one per cent too much"),
        given=[Symmetric(), BoundedVariance(sigma)],
        when=[],
        claim=Upper(StuckGradientNorm, Max(0, sigma - Rational(101, 100) * c)),
    )


@pytest.mark.parametrize("claim", [Upper(StuckGradientNorm, sigma**2 / (4 * c)), Floor(Drift, -c)], ids=str)
def test_a_search_of_one_step_scores_what_its_exact_problem_has(claim: Upper | Floor) -> None:
    """The law of a mean of samples, as arrays, against the exact one; a stuck point is one of the mean."""
    theorem = Theorem(
        name="one_step",
        source=Source("tests", "1"),
        given=[BoundedVariance(sigma), BatchClipping(n)],
        when=[],
        claim=claim,
    )
    reading, rng, seen = Reading(theorem), np.random.default_rng(2), 0
    structures = [s for s in boundary_structures(reading) if s.samples > 1 and s.deviation[1] > 1]
    for structure in structures[:6]:
        inside = landscape(reading, structure)
        points = rng.random((12, len(inside.genes)))
        scores = inside.evaluate(points, 1, Meter(Budget(steps=10**6)), 0, 0).score
        for raw, score in zip(points, scores, strict=True):
            found = inside.problem(raw)
            if found is None or not np.isfinite(score):
                continue
            what, choices = found
            assert what.algorithm == Algorithm("batch_clipping", structure.samples)
            assert rescore(reading, what, choices)[0] == pytest.approx(score, rel=1e-3, abs=1e-9)
            seen += 1
            if claim.quantity == StuckGradientNorm:
                law = mean_law(what.noise, structure.samples)
                assert law is not None
                assert exactly_stuck(fraction_of(what.start[0]), Fraction(1), law_of(law))
    assert seen > 10


def test_the_number_of_samples_is_a_letter_of_the_bound() -> None:
    reading = Reading(CATALOGUE["S6_bias"])
    for samples in (1, 3):
        what = problem(replace(BATCH, samples=samples), steps=1)
        letters, _ = letters_of(reading, what, {sigma: sp.Integer(2)})
        assert float(letters["n"]) == samples
        # sigma^2/(4 n c), while sigma/sqrt(n) is at most 2c.
        assert float(reading.bound(letters)[0]) == pytest.approx(1 / samples)


def test_a_point_without_an_exact_problem_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take the place of a candidate that has one."""
    searcher = _Search(_symmetric_bias(), Budget(steps=10**4), 0, False, None, {})
    searcher._join()
    arm = searcher.arms[0]
    arm.best, arm.score = np.full(arm.size, 0.5), 1e6
    searcher.hall[arm.inside.structure] = (arm.best, arm.score, 0.0)
    assert searcher._provable(arm) == (arm.inside.structure in searcher.hall)
    searcher.hall[arm.inside.structure] = (arm.best, arm.score, 0.0)
    monkeypatch.setattr(arm.inside, "problem", lambda point: None)
    assert not searcher._provable(arm)
    assert not searcher.hall
