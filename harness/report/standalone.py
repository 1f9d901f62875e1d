"""A finding as a script of at most 80 lines that needs NumPy alone: a reader's own, third witness.

It shares no engine and no random numbers with the harness: formulas are printed from the statement's objects, and
NumPy draws the noise. Words of a theorem file reach the script as comments and string literals only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp

from fuzz.engine.printers.numpy_source import BALANCE, EXPREL, NUMPY
from fuzz.engine.printers.source import SourcePrinter
from fuzz.problem import PLAIN, Algorithm, Family, FiniteLaw, Problem
from harness.finding import Finding
from harness.report.hand_check import HandCheck, hand_check
from harness.report.words import instance_rows
from theorems.language.functions import NOISES, PLUS, U0, U1, x
from theorems.language.parameters import c, m
from theorems.language.quantities import QUANTITIES, Adversary
from theorems.language.special import balance, exprel, exprel2
from theorems.language.walk import parse_exact

MOST_LINES = 80
_LONG = 300
_SAMPLES, _STEPS_IN_ALL = 1_000_000, 200_000_000
_VALUED = ("StepChange", "FinalGap")
_WIDEST, _FEW = 110, 8
_LEFT = "left_"


def standalone_script(finding: Finding) -> str:
    """The script's text. It prints claim, instance, measured value with its error, and a verdict; exit code 0 if the
    verdict of the finding is reproduced, else 1."""
    problem = finding.to_problem()
    check = hand_check(problem)
    quantity = finding.statement.quantity
    head = _head(finding)
    if quantity in ("StuckGradientNorm", "Drift") and check is not None and check.rational and problem.dimension == 1:
        return "\n".join([*head, *_by_fractions(finding, problem, check)]) + "\n"
    return "\n".join([*head, *_by_numpy(finding, problem)]) + "\n"


def _head(finding: Finding) -> list[str]:
    statement = finding.statement
    given = "; ".join(_assumption_text(a.kind, a.arguments) for a in statement.given) or "nothing"
    when = "; ".join(statement.when) or "nothing"
    values = ", ".join(f"{alias} = {text}" for alias, text in finding.values.items())
    return [
        "#!/usr/bin/env python3",
        _comment(f"{statement.name} ({statement.paper}, {statement.item}, version {statement.version})"),
        _comment(f"Claim:   {statement.text}"),
        _comment(f"Given:   {given}.  When: {when}."),
        _comment(f"At:      {values}"),
        _comment(f"Finding: {finding.verdict}, id {finding.id}. This script needs NumPy and nothing else."),
    ]


def _by_fractions(finding: Finding, problem: Problem, check: HandCheck) -> list[str]:
    atoms = ", ".join(f"({_fraction(r.probability)}, {_fraction(r.noise[0])})" for r in check.rows)
    claimed = None if finding.claimed_exact is None else parse_exact(finding.claimed_exact)
    bound = _fraction(claimed) if claimed is not None and claimed.is_Rational else repr(finding.claimed)
    lines = [
        "from fractions import Fraction as Q",
        "",
        f"c = {_fraction(problem.clipping_threshold)}  # clipping threshold",
        f"gradient = {_fraction(check.gradient[0])}  # of f = {problem.objective.name} at x = {problem.start[0]}",
        f"atoms = [{atoms}]  # (probability, {_noise_of(problem.algorithm)})",
        f"claimed = {bound}",
        "",
        "clip = lambda g: max(-c, min(c, g))",
        "u = 1 if gradient > 0 else -1",
        "mean = sum(p * z for p, z in atoms)",
        "variance = sum(p * z * z for p, z in atoms)",
        "drift = sum(p * u * clip(gradient + z) for p, z in atoms)",
        'print("probabilities sum to", sum(p for p, _ in atoms), "- noise has mean", mean, "and variance", variance)',
        "for p, z in atoms:",
        '    print(f"  with probability {p}: g = {gradient + z}, clipped {clip(gradient + z)}")',
        'print("E<u, clip(g)> =", drift)',
    ]
    if finding.statement.quantity == "StuckGradientNorm":
        lines += ["measured = abs(gradient)", "stuck = drift <= 0", 'print("stuck:", stuck)']
    else:
        lines += ["measured = drift", "stuck = True"]
    return [*lines, "error = 0", *_verdict(finding, "stuck and mean == 0")]


def _by_numpy(finding: Finding, problem: Problem) -> list[str]:
    quantity = finding.statement.quantity
    one_step = quantity in ("StuckGradientNorm", "Drift", "StepChange")
    work = problem.steps * problem.dimension * problem.algorithm.samples
    replicas = 1 if problem.deterministic else _SAMPLES if one_step else max(200, min(20_000, _STEPS_IN_ALL // work))
    step = "clip(gradient(x) + noise(x))" if problem.algorithm == PLAIN else "direction(x)"
    lines = [
        "import numpy as np",
        "",
        f"c = {_number(problem.clipping_threshold)}  # clipping threshold",
        f"eta = {_number(problem.step_size)}  # step size",
        f"T = {problem.steps}  # steps",
        f"start = np.array([{', '.join(_number(s) for s in problem.start)}])",
        f"claimed = {finding.claimed!r}" + (f"  # {finding.claimed_exact}" if _short(finding.claimed_exact) else ""),
        f"n = {replicas}  # independent runs",
        "rng = np.random.default_rng(12345)",
        *_objective_numbers(problem.objective),
        *(_noise_numbers(problem.noise) if isinstance(problem.noise, Family) else []),
        "",
        *_special(problem.objective, quantity),
        *(_formula("objective", problem.objective, "value") if quantity in _VALUED else []),
        *_formula("gradient", problem.objective, "gradient"),
        "",
        *_noise(problem),
        "",
        "def norm(v):",
        "    return np.sqrt((v * v).sum(-1, keepdims=True))",
        "",
        "def clip(g):",
        "    return g * (c / np.maximum(norm(g), c))" if problem.clipping_threshold != sp.oo else "    return g",
        "",
        *_direction(problem.algorithm),
        "x = np.tile(start, (n, 1))",
        *(line.replace("direction(x)", step) for line in _measure(quantity)),
        "measured = float(samples.mean())",
        "error = float(samples.std() / np.sqrt(n))",
    ]
    return [*lines, *_verdict(finding, "stuck" if quantity == "StuckGradientNorm" else "True")]


def _noise_of(algorithm: Algorithm) -> str:
    if algorithm.name != "batch_clipping" or algorithm.samples == 1:
        return "noise"
    return f"mean noise of {algorithm.samples} samples"


def _direction(algorithm: Algorithm) -> list[str]:
    """What one step subtracts, times the step size, of another algorithm than plain clipped SGD."""
    if algorithm == PLAIN:
        return []
    result, lines = "clip(gradient(x) + noise(x))", []
    if algorithm.samples > 1:
        lines.append(f"k = {algorithm.samples}  # samples of a step")
        if algorithm.name == "batch_clipping":
            result = "clip(gradient(x) + sum(noise(x) for _ in range(k)) / k)"
        else:
            result = "sum(clip(gradient(x) + noise(x)) for _ in range(k)) / k"
    if algorithm.privacy_deviation != 0:
        lines.append(f"zeta = {_number(algorithm.privacy_deviation)}  # root of E|z|^2, z the noise that is added")
        result += " + zeta / np.sqrt(x.shape[1]) * rng.standard_normal(x.shape)"
    return [*lines, "def direction(x):", f"    return {result}", ""]


def _measure(quantity: str) -> list[str]:
    if quantity in ("StuckGradientNorm", "Drift"):
        lines = [
            "slope = gradient(x)",
            "inner = (slope * direction(x)).sum(-1)",
        ]
        if quantity == "Drift":
            return [*lines, "samples = inner / norm(slope)[:, 0]"]
        return [
            *lines,
            "stuck = inner.mean() <= 3 * inner.std() / np.sqrt(n)",
            'print("<grad f, E clip(g)> =", inner.mean(), "+-", inner.std() / np.sqrt(n))',
            "samples = norm(slope)[:, 0]",
        ]
    if quantity == "StepChange":
        return [
            "after = x - eta * direction(x)",
            "samples = (objective(after) - objective(x)).sum(-1)",
        ]
    if quantity == "FinalGap":
        return [
            "for t in range(T):",
            "    x = x - eta * direction(x)",
            "samples = objective(x).sum(-1)",
        ]
    lines = [
        "total, least, samples = np.zeros(n), np.inf, None",
        "for t in range(T):",
        "    size = norm(gradient(x))[:, 0]",
        "    total += size / T",
        "    if size.mean() < least:",
        "        least, samples = size.mean(), size",
        "    x = x - eta * direction(x)",
    ]
    return lines if quantity == "MinGradientNorm" else [*lines, "samples = total"]


def _verdict(finding: Finding, condition: str) -> list[str]:
    maximised = QUANTITIES[finding.statement.quantity].adversary is Adversary.MAXIMISES
    difference = "measured - claimed" if maximised else "claimed - measured"
    if finding.verdict == "refuted":
        test, word, otherwise = "excess > 4 * error + 1e-12 * abs(claimed)", "VIOLATED", "not violated here"
    else:
        test, word, otherwise = "excess >= -4 * error - 1e-3 * abs(claimed)", "ATTAINED", "not attained here"
    sign = "<=" if maximised else ">="
    if finding.verdict == "achieved":
        sign = ">=" if maximised else "<="
    told = [_printable(f"{finding.statement.name}: {finding.statement.text}"), _printable(_instance(finding))]
    return [
        f"excess = {difference}",
        f"good = bool(({condition}) and {test})",
        f"print({told[0]!r}, {told[1]!r}, sep={chr(10)!r})",
        f'print("claimed:  {finding.statement.quantity} {sign}", claimed, "=", float(claimed))',
        'print("measured:", measured, "=", float(measured), "+-", float(error))',
        f'print("verdict: ", "{word}" if good else "{otherwise}")',
        "raise SystemExit(0 if good else 1)",
    ]


def _instance(finding: Finding) -> str:
    problem = finding.to_problem()
    values = ", ".join(f"{alias} = {text}" for alias, text in finding.values.items())
    rows = instance_rows(problem, QUANTITIES[finding.statement.quantity])
    return f"instance: {'; '.join(f'{name} {text}' for name, text in rows)}; {values}"


def _objective_numbers(family: Family) -> list[str]:
    """One array per number, shape [d]; where coordinates differ in family, one number per coordinate and number."""
    if family.radial:
        return _packed(_columns("f_", [{n: v for n, v in family.coordinates[0].items() if not n.startswith(_LEFT)}]))
    if PLUS not in family.name:
        return _packed(_columns("f_", family.coordinates))
    pairs = [
        (f"f{i}_{name}", _number(value)) for i, n in enumerate(family.coordinates) for name, value in sorted(n.items())
    ]
    return _packed(pairs)


def _noise_numbers(family: Family) -> list[str]:
    # A law along the gradient reads the first coordinate's numbers alone.
    return _packed(_columns("z_", family.coordinates[:1] if NOISES[family.name].along else family.coordinates))


def _columns(prefix: str, axes: Sequence[Mapping[str, sp.Expr]]) -> list[tuple[str, str]]:
    if len(axes) == 1 and len(axes[0]) > _FEW:
        return [(prefix + name, _number(axes[0][name])) for name in sorted(axes[0])]
    return [
        (prefix + name, f"np.array([{', '.join(_number(numbers[name]) for numbers in axes)}])")
        for name in sorted(axes[0])
    ]


def _packed(pairs: list[tuple[str, str]]) -> list[str]:
    """Assignments, one a line; where they are many, as many in a line as fit."""
    if len(pairs) <= _FEW:
        return [f"{name} = {value}" for name, value in pairs]
    lines, group = [], pairs[:1]
    for pair in pairs[1:]:
        if len(_assignment([*group, pair])) > _WIDEST:
            lines.append(_assignment(group))
            group = []
        group.append(pair)
    return [*lines, _assignment(group)]


def _assignment(pairs: list[tuple[str, str]]) -> str:
    return f"{', '.join(name for name, _ in pairs)} = {', '.join(value for _, value in pairs)}"


def _special(family: Family, quantity: str) -> list[str]:
    """What NumPy lacks, if the formulas need it."""
    parts = ["gradient", *(["value"] if quantity in _VALUED else [])]
    formulas = [getattr(profile, part) for profile, _ in family.profiles for part in parts]
    text = EXPREL * any(f.has(exprel, exprel2) for f in formulas) + BALANCE * any(f.has(balance) for f in formulas)
    return [line for line in text.splitlines() if line]


def _formula(title: str, family: Family, attribute: str) -> list[str]:
    if PLUS not in family.name:
        entry, _ = next(family.profiles)
        printer = SourcePrinter(NUMPY, {x: "x", **{p: f"f_{p.name}" for p in entry.parameters}})
        formula = getattr(entry, attribute)
        if family.radial:
            # A norm is never on the left.
            formula = formula.xreplace({p: sp.Integer(0) for p in entry.parameters if p.name.startswith(_LEFT)})
        result = printer.print(formula)
        if not family.radial:
            return [f"def {title}(x):", *_joined(printer.lines), f"    return {result}"]
        # The profile is of the norm; 0/0 does not arise, since its slope is 0 at 0.
        whole = f"{result} * p / np.where(x > 0, x, 1)" if title == "gradient" else result
        return [f"def {title}(p):", *_joined(["x = norm(p)", *printer.lines]), f"    return {whole}"]
    lines, results = [f"def {title}(x):"], []
    for i, (entry, _) in enumerate(family.profiles):
        printer = SourcePrinter(NUMPY, {x: f"x[:, {i}]", **{p: f"f{i}_{p.name}" for p in entry.parameters}})
        results.append(printer.print(getattr(entry, attribute)))
        lines += _joined(printer.lines)
        if printer.lines:
            # The next coordinate has intermediate results of its own.
            lines.append(f"    part{i} = {results[-1]}")
            results[-1] = f"part{i}"
    return [*lines, f"    return np.stack(np.broadcast_arrays({', '.join(results)}), -1)"]


def _joined(lines: Sequence[str]) -> list[str]:
    """Intermediate results, indented; where they are many, as many in a line as fit."""
    found: list[str] = []
    for line in lines:
        if len(lines) > _FEW and found and len(found[-1]) + len(line) < _WIDEST:
            found[-1] += f"; {line}"
        else:
            found.append(f"    {line}")
    return found


def _noise(problem: Problem) -> list[str]:
    if isinstance(problem.noise, FiniteLaw):
        atoms = ", ".join(f"[{', '.join(_number(e) for e in v)}]" for _, v in problem.noise.atoms)
        weights = ", ".join(_number(p) for p, _ in problem.noise.atoms)
        return [
            f"atoms, weights = np.array([{atoms}]), [{weights}]",
            "def noise(x):",
            "    return atoms[rng.choice(len(atoms), size=len(x), p=weights)]",
        ]
    family = NOISES[problem.noise.name]
    if family.words == 0:
        return ["def noise(x):", "    return 0 * x"]
    names: dict[Any, str] = {U0: "U0", U1: "U1", m: "m", c: "c", **{p: f"z_{p.name}" for p in family.parameters}}
    printer = SourcePrinter(NUMPY, names)
    result = printer.print(family.sample)
    if len(result) > _LONG:
        # A law with a long constant: its value instead.
        printer = SourcePrinter(NUMPY, names, frozenset(family.parameters))
        result = printer.print(family.sample)
        columns = _values(problem.noise, printer.hoisted)
        printer.lines = [f"h{k} = np.array({column})" for k, column in enumerate(columns)] + printer.lines
    draw = "(rng.integers(0, 2**32, {}) + 0.5) / 2.0**32"
    if not family.along:
        uniforms = ["    m = norm(gradient(x))"] if family.depends_on_state else []
        uniforms += [f"    U{k} = {draw.format('x.shape')}" for k in range(family.words)]
        return ["def noise(x):", *uniforms, *(f"    {line}" for line in printer.lines), f"    return {result}"]
    return [
        "def noise(x):",
        "    slope = gradient(x)",
        "    m = norm(slope)",
        "    unit = np.where(m > 0, slope / np.where(m > 0, m, 1), np.eye(x.shape[1])[0])",
        f"    U0 = {draw.format('m.shape')}",
        *(f"    {line}" for line in printer.lines),
        f"    return {result} * unit",
    ]


def _values(noise: Family, expressions: list[sp.Expr]) -> list[list[float]]:
    """Formulas of a law's parameters at its numbers, one for each coordinate."""
    by_name = {p.name: p for p in NOISES[noise.name].parameters}
    return [
        [float(e.xreplace({by_name[n]: v for n, v in numbers.items()})) for numbers in noise.coordinates]
        for e in expressions
    ]


def _number(number: sp.Expr) -> str:
    """Python text of a number: an integer or a fraction as it is, anything else as the nearest float."""
    if number.is_Integer:
        return f"{number}.0"
    if number.is_Rational and max(abs(number.p), number.q) < 2**53:
        return f"{number.p} / {number.q}"
    return "np.inf" if number == sp.oo else repr(float(number))


def _fraction(number: sp.Expr) -> str:
    return f"Q({number.p})" if number.q == 1 else f"Q({number.p}, {number.q})"


def _short(text: str | None) -> bool:
    return text is not None and len(text) < 60


def _printable(text: str) -> str:
    return "".join(ch if ch.isprintable() else " " for ch in text)[:400]


def _comment(text: str) -> str:
    return f"# {_printable(text)}"


def _assumption_text(kind: str, arguments: dict[str, str]) -> str:
    return f"{kind}({', '.join(arguments.values())})"


__all__ = ["MOST_LINES", "standalone_script"]
