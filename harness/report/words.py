"""The sentences of a report, the same in HTML and in Markdown."""

from __future__ import annotations

from collections import Counter

import sympy as sp

from fuzz.problem import PLAIN, Family, FiniteLaw, Problem
from harness.finding import Finding
from harness.report.hand_check import HandCheck
from harness.report.records import ConstantRecord, EndRecord, RunRecord, TheoremRecord
from harness.verdicts import Verdict
from theorems.language.functions import RADIAL
from theorems.language.quantities import QUANTITIES, Adversary, Quantity, Scope
from theorems.language.walk import parse_exact, show_exact

GLOSSARY = {
    Verdict.PROVED: "Every step was shown by both solvers, side conditions included, relative to the rules listed.",
    Verdict.PROVED_BY_Z3_ALONE: "Every step was shown, but some by one solver only.",
    Verdict.REFUTED: "The conclusion fails at a certified instance, which is shown and can be replayed.",
    Verdict.BROKEN_PROOF: "A step of the proof has a countermodel, shown. This says nothing about the claim.",
    Verdict.VACUOUS: "No parameters meet the hypotheses: true, and about nothing.",
    Verdict.ILL_FORMED: "Units or scalings are broken: the claim changes with the units of measurement.",
    Verdict.NO_PROOF: "No proof was given. If search found nothing either, this is not a proof.",
    Verdict.UNKNOWN: "A solver gave up, or the two disagree. This never passes.",
}

_QUANTITY_WORDS = {
    "StuckGradientNorm": "clipped SGD is stuck at a point where the gradient norm is",
    "Drift": "the expected progress along the gradient is",
    "StepChange": "the objective changes in one step by",
    "AverageGradientNorm": "the gradient norm, averaged over the run, is",
    "MinGradientNorm": "the least expected gradient norm of the run is",
    "FinalGap": "the final gap is",
}


def constant_interval(constant: ConstantRecord) -> str:
    """Where the constant of an O-claim lies, in LaTeX; ends are rounded outwards, so that it is true as it stands."""

    def decimal(end: EndRecord | None, up: bool) -> str | None:
        if end is None:
            return None
        scaled = parse_exact(end.value) * 10**6
        digits = int(scaled.ceiling() if up else scaled.floor())
        return f"{digits // 10**6}.{digits % 10**6:06d}"

    low, high = decimal(constant.low, up=False), decimal(constant.high, up=True)
    return rf"C \in [{low or '0'}, {high + ']' if high else chr(92) + 'infty)'}"


def summary(run: RunRecord) -> tuple[str, str]:
    """A headline and a sentence for the index."""
    total = len(run.theorems)
    odd = [t.statement.name for t in run.theorems if t.as_expected is False]
    open_ = [t.statement.name for t in run.theorems if t.as_expected is None]
    what = "One statement" if total == 1 else f"{total} statements"
    if odd:
        return f"{what}, {len(odd)} not as expected", f"Look at {_names(odd)} first."
    if open_:
        return f"{what}, {len(open_)} undecided", f"A solver could not decide {_names(open_)}."
    bare = [t for t in run.theorems if t.verdict == Verdict.NO_PROOF]
    tail = (
        f" {len(bare)} of them {'has' if len(bare) == 1 else 'have'} no proof: there, finding nothing is not a proof."
        if bare
        else ""
    )
    return f"{what}, all as expected", f"Every statement behaved as its author expects.{tail}"


def kind_of(verdict: str) -> str:
    """The style of a verdict or of an obligation's word."""
    if verdict in ("holds", "fails", "disagree", "not_found", "achieved"):
        return {"holds": "proved", "fails": "refuted", "disagree": "refuted"}.get(verdict, verdict)
    if verdict.startswith("proved"):
        return "proved"
    try:
        return Verdict.of(verdict).value
    except ValueError:
        return "unknown"


def counts(run: RunRecord) -> list[tuple[str, str, int]]:
    """Style, verdict and number of statements."""
    found = Counter((kind_of(record.verdict), record.verdict) for record in run.theorems)
    return [(kind, word, count) for (kind, word), count in sorted(found.items())]


def lead(finding: Finding) -> str:
    """The finding in one sentence."""
    measured = exact_or_decimal(finding.measured_exact, finding.measured)
    claimed = exact_or_decimal(finding.claimed_exact, finding.claimed)
    maximised = QUANTITIES[finding.statement.quantity].adversary is Adversary.MAXIMISES
    said = _QUANTITY_WORDS.get(finding.statement.quantity, f"{finding.statement.quantity} is")
    if finding.verdict == "achieved":
        return f"At the instance below {said} {measured}; the claim asks for {claimed}, which is met."
    side = "at most" if maximised else "at least"
    return f"At the instance below {said} {measured}, but the claim allows {side} {claimed}{_percent(finding)}."


def _percent(finding: Finding) -> str:
    if finding.claimed <= 0 or finding.measured <= 0:
        return ""
    change = 100 * abs(finding.measured / finding.claimed - 1)
    more = "more" if finding.measured > finding.claimed else "less"
    return f": {change:.3g}% {more} than allowed" if change >= 0.01 else ""


def instance(problem: Problem, quantity: Quantity) -> str:
    """The problem in one sentence."""
    axes = "one dimension" if problem.dimension == 1 else f"{problem.dimension} dimensions"
    name = problem.objective.name.replace("_", " ").replace(RADIAL, "radial ")
    if isinstance(problem.noise, FiniteLaw):
        noise = f"a noise of {len(problem.noise.atoms)} atoms"
    else:
        noise = "exact gradients" if problem.exact_gradients else f"{problem.noise.name.replace('_', ' ')} noise"
    what = (
        "One point"
        if quantity.scope is Scope.ONE_STEP
        else "A run of one step"
        if problem.steps == 1
        else f"A run of {problem.steps:,} steps"
    )
    how = "" if problem.algorithm == PLAIN else f" Algorithm: {problem.algorithm.words}."
    return f"{what} of a {name} objective in {axes}, with {noise}.{how} All numbers are exact."


def instance_rows(problem: Problem, quantity: Quantity) -> list[tuple[str, str]]:
    """Names and exact numbers of a problem, those that the quantity does not use left out."""
    family = problem.objective
    shape = f"{family.name.removeprefix(RADIAL)} of |x|, radial" if family.radial else family.name
    rows = [("objective", f"{shape}: {_coordinates(family)}")]
    if isinstance(problem.noise, FiniteLaw):
        atoms = "; ".join(f"{_vector(v)} with probability {show_exact(p)}" for p, v in problem.noise.atoms)
        rows.append(("noise", atoms))
    elif not problem.exact_gradients:
        rows.append(("noise", f"{problem.noise.name}: {_coordinates(problem.noise)}"))
    if problem.algorithm != PLAIN:
        rows.append(("algorithm", problem.algorithm.words))
    rows += [("start", _vector(problem.start)), ("clipping threshold", show_exact(problem.clipping_threshold))]
    if quantity.name not in ("Drift", "StuckGradientNorm"):
        rows.append(("step size", show_exact(problem.step_size)))
    if quantity.scope is Scope.TRAJECTORY:
        rows.append(("steps", str(problem.steps)))
    return rows


def hand_check(finding: Finding, check: HandCheck) -> str:
    """What the table of atoms shows."""
    spread = f"The noise has mean {_vector(check.mean)} and variance {_short(check.variance)}."
    if finding.statement.quantity == "StuckGradientNorm":
        verb = "is zero" if check.drift == 0 else f"is {_short(check.drift)}, not above zero"
        return f"{spread} The weighted sum {verb}: on average no progress is made, though the gradient is not zero."
    if finding.statement.quantity == "Drift":
        return f"{spread} The weighted sum is the drift, {_short(check.drift)}."
    return f"{spread} At the start the expected progress along the gradient is {_short(check.drift)}."


def confidence(finding: Finding) -> tuple[str, str]:
    """A short word and what it means."""
    if finding.exact is not None:
        return "exact", f"{finding.exact.method}: no statistical error"
    if finding.log10_e is None:
        return "none", "no evidence value was computed"
    needed = "" if finding.log10_threshold is None else f"; 10^{finding.log10_threshold:.2f} was needed"
    meaning = (
        f"on fresh seeds{needed} (look {finding.looks} of the campaign). The chance that this run refutes any true "
        f"statement is at most {finding.alpha:g}."
    )
    return f"e = 10^{finding.log10_e:.2f}", meaning


def negative(record: TheoremRecord) -> str:
    """What a search that found nothing does not mean."""
    tail = (
        "The proof above is what speaks for the claim."
        if record.verdict.startswith("proved")
        else "The claim may be false all the same."
    )
    return (
        "That nothing was found is no proof. It says that a search of this size, over the objectives and noises that "
        "it knows, in the dimensions and regimes that it drew, met no violation; a rarer instance, another family or a "
        f"longer run may hold one. {tail}"
    )


def caption_stuck(stability: str) -> str:
    """Below the picture of the mean step around a stuck point."""
    if stability == "attracting":
        return (
            "The mean clipped step around the point, weighed exactly: it is zero there, and the arrows lead back to it "
            "from both sides. Without clipping the line would cross zero at the minimum."
        )
    return (
        "The mean clipped step around the point, weighed exactly: it is zero at the point and beside it. Without "
        "clipping the line would cross zero at the minimum."
    )


def caption_over_time(finding: Finding) -> str:
    """Below the picture of the quantity over time; a run without random numbers is its own mean, and has no band."""
    mean, band = ("", "") if finding.to_problem().deterministic else ("mean ", " (band: two standard errors)")
    if finding.statement.quantity == "FinalGap":
        return f"The {mean}gap over time{band}; the claim is about its last value (red: the bound)."
    return f"The {mean}gradient norm over time{band}, against the claimed bound (red)."


def proof_cell(record: TheoremRecord) -> str:
    """The cell of the verdict table about proof."""
    if record.check is None:
        return "not checked"
    count = sum(bool(o.solvers) for o in record.check.obligations)
    return f"{record.check.verdict}, {'one query' if count == 1 else f'{count} queries'}, {record.check.seconds:.1f} s"


def search_cell(record: TheoremRecord) -> str:
    """The cell of the verdict table about search."""
    if record.fuzz is None:
        return "not needed" if record.check else "not searched"
    best = "" if record.fuzz.score is None else f", best score {score_text(record.fuzz.score)}"
    evidence = "" if record.fuzz.log10_e is None else f", e = 10^{record.fuzz.log10_e:.1f}"
    return f"{record.fuzz.verdict}{best}{evidence}"


def score_text(score: float | None) -> str:
    """A score for a table; a lower claim may be met many times over."""
    if score is None:
        return "none"
    return f"{score:.4f}" if abs(score) < 1000 else f"{score:.3g}"


def exact_or_decimal(exact: str | None, value: float) -> str:
    """The exact text where it is short."""
    return exact if exact is not None and len(exact) <= 14 else f"{value:.6g}"


def unit_text(unit: tuple[str, str]) -> str:
    """``F^a X^b`` for a reader."""
    parts = [
        name if power == "1" else f"{name}^{power}" for name, power in zip("FX", unit, strict=True) if power != "0"
    ]
    return " ".join(parts) or "1"


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _coordinates(family: Family) -> str:
    shown = [", ".join(f"{k} = {show_exact(v)}" for k, v in sorted(c.items())) for c in family.coordinates]
    return shown[0] if len(set(shown)) == 1 else "; ".join(shown)


def _vector(entries: tuple[sp.Expr, ...]) -> str:
    shown = [str(e) for e in entries]
    return shown[0] if len(shown) == 1 else f"({', '.join(shown)})"


def _short(value: sp.Expr) -> str:
    text = str(value)
    return text if len(text) <= 14 else f"about {float(value):.8g}"
