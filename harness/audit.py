"""Statements held against real training runs: clipped SGD on regularised logistic regression (:mod:`fuzz.logistic`).

No search bends the problem here: the data are what they are, only threshold, step size, number of steps and start are
tried. Every hypothesis is certified from the data, and a violation is said only with evidence on fresh seeds, beyond an
allowance for rounding, and with the agreement of a second engine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.datasets import DataError, load
from fuzz.logistic import Logistic, on_grid
from fuzz.reading import Floats
from fuzz.training import Training, TrainingRuns, run_training, training_allowance
from harness.audit_letters import Form, Setting, allowed, form_of, why_not
from harness.evidence import ErrorLedger, log10_e
from harness.progress import Progress
from harness.verdicts import ExitCode
from theorems.language.assumptions import GS, HS, PL, BoundedVariance, Convex
from theorems.language.quantities import FinalGap, MinGradientNorm, Quantity
from theorems.language.theorem import Theorem

ADDED = (0.5, 16.0)
"""``zeta/c`` of noise that is added."""
SAMPLES = 8
"""n of statements about n samples, unless a batch is asked for."""
THRESHOLDS = (0.0625, 0.25, 1.0, 4.0)
SCHEDULES = ((1.0, 1), (1.0, 8), (0.5, 16), (1 / 9, 64), (1 / 16, 128), (1 / 64, 512))
"""``eta L``, up to a millionth, and the number of steps: their product is at most 8, or rounding might grow."""

_TRIED, _FIRST, _MOST = 8, 64, 512
_TORCH = 4


@dataclass(frozen=True)
class AuditResult:
    """What training runs say of one statement.

    Attributes:
        verdict: ``violated``; ``not violated`` (at the settings that were tried, which proves nothing); ``undecided``;
            ``not applicable``.
        reason: one sentence.
        ratio: the largest measured value over bound, None if no setting meets the conditions.
        setting: threshold, step size, steps, batch and start of that run.
        certificates: the constants and why they hold.
        look: number of the statistical confirmation, 0 if there was none.
        record: where a violation was written, to be replayed.
    """

    name: str
    expect: str
    verdict: str
    reason: str
    ratio: float | None = None
    measured: float | None = None
    bound: float | None = None
    log10_e: float | None = None
    settings: int = 0
    setting: Mapping[str, Any] = field(default_factory=dict)
    certificates: tuple[str, ...] = ()
    look: int = 0
    record: str | None = None


class AuditError(ValueError):
    """Bad input: one line."""


def audit_all(
    theorems: Sequence[Theorem],
    data: str,
    *,
    regulariser: str = "1",
    batch: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
    out: Path | None = None,
) -> list[AuditResult]:
    """Hold statements against training runs on one data set.

    Args:
        theorems: about whole runs of clipped SGD, with batch or per-sample clipping or added noise; others are
            ``not applicable``.
        data: name of a set.
        regulariser: lam, a positive rational as text.
        batch: samples a step, drawn independently; of statements about n samples it is n, or n is 8 if it is 1.
        seed: of the runs.
        progress: told the state.
        out: a folder for the record of every violation.

    Raises:
        AuditError: one line, for a set that cannot be had or a number that is no good.
    """
    try:
        lam = Fraction(regulariser)
        if lam <= 0:
            raise ValueError(regulariser)
    except (ValueError, ZeroDivisionError):
        raise AuditError(f"--regulariser must be a positive rational number, not {regulariser!r}") from None
    if not 1 <= batch <= 4096:
        raise AuditError(f"--batch must lie between 1 and 4096, not {batch}")
    try:
        loss = Logistic(load(data), lam)
    except DataError as error:
        raise AuditError(f"--data: {error}") from None
    audit = Audit(loss, batch, seed, progress)
    found = audit.all(theorems)
    if out is None:
        return found
    from harness.audit_record import record_of, write_audit

    places = {t.name: str(write_audit(record_of(t, audit, s, judged), out)) for t, s, judged in audit.violations}
    return [replace(result, record=places.get(result.name)) for result in found]


class Audit:
    """Runs are made once and serve every statement."""

    def __init__(self, loss: Logistic, batch: int, seed: int, progress: Progress | None = None) -> None:
        self.loss, self.batch, self.seed, self.progress = loss, batch, seed, progress
        self.ledger = ErrorLedger()
        self.violations: list[tuple[Theorem, Setting, AuditResult]] = []
        self._settings: dict[Form, list[tuple[Setting, TrainingRuns]]] = {}

    def all(self, theorems: Sequence[Theorem]) -> list[AuditResult]:
        """One result for each."""
        if self.progress is not None:
            self.progress.phase("audit", len(theorems))
        found = []
        for theorem in theorems:
            if self.progress is not None:
                self.progress.part(theorem.name)
            found.append(self.one(theorem))
            if self.progress is not None:
                self.progress.done()
        return found

    def one(self, theorem: Theorem) -> AuditResult:
        """What the runs say of a statement."""
        if reason := why_not(theorem):
            return AuditResult(theorem.name, theorem.expect, "not applicable", reason)
        best: tuple[float, float, float, Setting] | None = None
        count = 0
        for setting, runs in self.settings(form_of(theorem)):
            bound = allowed(theorem, setting)
            if bound is None:
                continue
            count += 1
            values = self.measured(theorem.claim.quantity, runs)
            mean = float(values.mean(0).min() if values.ndim == 2 else values.mean())
            if bound > 0 and (best is None or mean / bound > best[0]):
                best = (mean / bound, mean, bound, setting)
        if best is None:
            return AuditResult(
                theorem.name, theorem.expect, "not applicable", "no setting that was tried meets its conditions"
            )
        ratio, mean, bound, setting = best
        found = AuditResult(
            name=theorem.name,
            expect=theorem.expect,
            verdict="not violated",
            reason=f"the largest measured value is {ratio:.4g} of the bound",
            ratio=ratio,
            measured=mean,
            bound=bound,
            settings=count,
            setting=_described(setting),
            certificates=self.certificates(theorem, setting),
        )
        if ratio <= 1:
            return found
        judged = self.confirm(theorem, setting, found)
        if judged.verdict == "violated":
            self.violations.append((theorem, setting, judged))
        return judged

    # -- settings ----------------------------------------------------------------------------------------------------

    def settings(self, form: Form) -> list[tuple[Setting, TrainingRuns]]:
        """All settings with some runs each, made once."""
        if form not in self._settings:
            made = []
            for number, setting in enumerate(self._propose(form)):
                if self.progress is not None:
                    self.progress.detail(f"training run {number + 1}")
                count = _TRIED if setting.training.stochastic else 1
                runs = run_training(setting.training, count, seed=self.seed, instance_id=number)
                made.append((setting, runs))
            self._settings[form] = made
        return self._settings[form]

    def _propose(self, form: Form) -> Iterator[Setting]:
        smoothness, d = float(self.loss.smoothness), self.loss.data.dimension
        origin = np.zeros(d)
        batch = 0 if form.exact else self.batch
        if form.samples and batch == 1:
            batch = SAMPLES
        deviation = self.loss.deviation(1 if form.samples else self.batch)
        for threshold in THRESHOLDS:
            starts = {"0": origin}
            if form.exact:
                starts["beyond the minimiser"] = on_grid(3 * self.loss.minimiser)
            else:
                starts["where the mean clipped gradient is 0"] = self.stuck(threshold)
            for where, start in starts.items():
                gap, distance = self.loss.gap(start), self.loss.distance(start)
                for (theta, steps), added in itertools.product(SCHEDULES, ADDED if form.private else (0.0,)):
                    # A little below, so that conditions like theta <= 1 are decided.
                    step_size = theta * (1 - 2.0**-20) / smoothness
                    scale = added * threshold / math.sqrt(d)
                    training = Training(self.loss, start, step_size, threshold, steps, batch, form.per_sample, scale)
                    yield Setting(training, where, gap, distance, deviation)

    def stuck(self, threshold: float) -> Floats:
        """A point where the mean clipped gradient of one sample is nearly 0: any start will do for a statement."""
        point, rows = np.zeros(self.loss.data.dimension), np.arange(self.loss.data.samples)
        rate = 1 / float(self.loss.smoothness)
        for _ in range(400):
            gradients = self.loss.sample_gradient(np.repeat(point[None, :], len(rows), 0), rows)
            shrink = np.minimum(1.0, threshold / np.linalg.norm(gradients, axis=1))
            # Where all are clipped the field is shorter, and longer steps are safe enough.
            point = point - rate / max(float(shrink.mean()), 0.1) * (self.loss.weights * shrink) @ gradients
        return on_grid(point)

    # -- statements --------------------------------------------------------------------------------------------------

    def certificates(self, theorem: Theorem, setting: Setting) -> tuple[str, ...]:
        """In words, one for each kind of assumption, and the start."""
        loss, training = self.loss, setting.training
        found: list[str] = []
        if any(isinstance(a, GS | HS) for a in theorem.given):
            found.append(
                f"{float(loss.smoothness):.10g}-smooth: L I - sum p_i b_i b_i^T/4 - lam I is positive definite, by "
                "elimination in integers"
            )
        if any(isinstance(a, PL | Convex) for a in theorem.given):
            found.append(f"{loss.regulariser}-strongly convex, by the regulariser")
        if any(isinstance(a, BoundedVariance) for a in theorem.given):
            found.append(
                f"deviation at most {float(setting.deviation):.10g} at every x: (sqrt(S) + sqrt(S - M))/2 with "
                f"S = {float(loss.second_moment):.6g}, M = {float(loss.mean_square):.6g}, "
                + (f"of each of {training.batch} samples" if form_of(theorem).samples else f"batch of {training.batch}")
                + "; the mean is exact"
            )
        if training.privacy_scale:
            found.append(
                f"added noise of mean 0, root of its mean square at most {float(training.zeta):.10g}: normal variables "
                "of the lattice, independent of the samples"
            )
        found.append(
            f"f(x_0) - inf f between {float(setting.gap[0]):.12g} and {float(setting.gap[1]):.12g}, by "
            "f(y) - |grad f(y)|^2/(2 lam) <= inf f <= f(y)"
        )
        return tuple(found)

    # -- evidence ----------------------------------------------------------------------------------------------------

    def measured(self, quantity: Quantity, runs: TrainingRuns) -> Floats:
        """Values [R] of the quantity, or [R, T] for the least over time; never above the truth but for rounding."""
        if quantity == FinalGap:
            return np.maximum(runs.final_value - float(self.loss.minimum[1]), 0.0)
        return runs.norms.T if quantity == MinGradientNorm else runs.average_gradient_norm

    def confirm(self, theorem: Theorem, setting: Setting, found: AuditResult) -> AuditResult:
        """A violation, if it stands on fresh numbers."""
        quantity, training = theorem.claim.quantity, setting.training
        allowance = training_allowance(training, quantity)
        claimed = found.bound
        assert claimed is not None
        if allowance is None:
            return replace(found, verdict="undecided", reason="no bound on rounding errors is known for this run")
        null = claimed + allowance
        exact = not training.stochastic
        # Without noise there is nothing that chance could decide.
        look = None if exact else self.ledger.next_look()
        number = 0 if look is None else look.number
        found = replace(found, look=number)

        def fresh(count: int, first: int = 0, backend: str = "numpy") -> TrainingRuns:
            return run_training(
                training,
                count,
                seed=self.seed,
                purpose="confirm",
                instance_id=number,
                first_replica=first,
                backend=backend,
            )

        one, other = (fresh(1 if exact else _TORCH, backend=b) for b in ("numpy", "torch"))
        slack = 32 * allowance + 1e-9 * float(one.average_gradient_norm.max())
        if np.abs(one.norms.mean(0) - other.norms.mean(0)).max() > slack:
            return replace(found, verdict="undecided", reason="the two engines disagree, so nothing is claimed")
        if look is None:
            mean = float(np.min(self.measured(quantity, one)))
            if mean > null:
                reason = f"{mean:.8g} is measured, {null:.8g} allowed, rounding included; two engines agree"
                return replace(found, verdict="violated", measured=mean, ratio=mean / claimed, reason=reason)
            return replace(found, verdict="undecided", reason="the excess is within the allowance for rounding")
        values, evidence, done = self.measured(quantity, one)[:0], 0.0, 0
        while done < _MOST and evidence < look.log10_threshold:
            count = max(done, _FIRST)
            more = fresh(count, done)
            values, done = np.concatenate([values, self.measured(quantity, more)]), done + count
            evidence = log10_e(values, null)
        mean = float(values.mean(0).min() if values.ndim == 2 else values.mean())
        ratio = mean / claimed
        found = replace(found, measured=mean, ratio=ratio, log10_e=evidence)
        if evidence >= look.log10_threshold:
            reason = f"e = 10^{evidence:.2f} on {done} fresh runs, 10^{look.log10_threshold:.2f} was needed"
            return replace(found, verdict="violated", reason=f"{reason}; two engines agree")
        if ratio <= 1:
            return replace(found, verdict="not violated", reason=f"on {done} fresh runs {ratio:.4g} of the bound")
        return replace(found, verdict="undecided", reason=f"e = 10^{evidence:.2f} on {done} fresh runs is not enough")


def audit_json(result: AuditResult) -> dict[str, Any]:
    """For a program: numbers that are not finite are null."""
    found = {name: getattr(result, name) for name in (f.name for f in fields(result))}
    found["setting"], found["certificates"] = dict(result.setting), list(result.certificates)
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in found.items()}


def exit_code(results: Sequence[AuditResult]) -> ExitCode:
    """1 if a statement that should be true is violated, 3 if that is undecided, else 0."""
    if any(r.verdict == "violated" and r.expect == "true" for r in results):
        return ExitCode.NOT_AS_EXPECTED
    return ExitCode.UNKNOWN if any(r.verdict == "undecided" for r in results) else ExitCode.AS_EXPECTED


def _described(setting: Setting) -> dict[str, Any]:
    training = setting.training
    return {
        "threshold": training.threshold,
        "step_size": training.step_size,
        "steps": training.steps,
        "batch": training.batch,
        "per_sample": training.per_sample,
        "privacy_scale": training.privacy_scale,
        "start": setting.where,
    }
