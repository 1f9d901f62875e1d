"""The noise of whole runs inside one structure: genes, and genes to the arrays of an engine."""

from __future__ import annotations

import numpy as np
import sympy as sp

from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.finite import build_law, engine_arrays, exact_law, law_genes
from fuzz.genes import EACH, Gene, Structure, quantise
from fuzz.problem import Family, FiniteLaw
from fuzz.reading import Floats, Letters
from fuzz.simplifications import finite
from theorems.language.noises import NOISES, probability, up
from theorems.language.parameters import Domain

_OWN = {
    "probability": Gene("probability", 1e-5, 0.5, "logit"),
    "degrees": Gene("degrees", 2.05, 30.0),
    "index": Gene("index", 2.05, 60.0),
    "wide": Gene("wide", 1.0, 1e3),
    "reach": Gene("reach", 1e-3, 1e2),
    "low": Gene("low", 1e-3, 1e1),
    "high": Gene("high", 1.0, 1e5),
}
"""Genes by the parameter that they move; ``wide`` is a multiple of the scale, ``reach`` and ``low`` of c, ``high`` of
``low``."""


def noise_genes(structure: Structure) -> list[Gene]:
    """Genes of the noise; none without noise."""
    law = NOISES[structure.noise]
    if not law.words:
        return []
    genes = [Gene("deviation", *structure.deviation)]
    if structure.noise == "finite":
        return genes + law_genes(structure)
    if law.each and structure.dimension > EACH:
        # A ladder, as of the curvatures, up or down.
        genes.append(Gene("uneven", 1e-4, 1e4))
    elif law.each:
        genes += [Gene(f"deviation{i}", 1e-3, 1.0) for i in range(1, structure.dimension)]
    return genes + [_OWN[p.name] for p in law.parameters if p.name in _OWN]


def first_coordinate_alone(structure: Structure) -> bool:
    """Whether the gene ``deviation`` is that of the first coordinate, which others may equal, and not of the vector."""
    law, d = NOISES[structure.noise], structure.dimension
    ladder = law.each and d > EACH
    return d > 1 and structure.noise != "finite" and not law.along and not ladder


def noise_arrays(
    structure: Structure, numbers: Letters, count: int, threshold: float, held: float | None
) -> tuple[Floats, Floats]:
    """Parameters [N, Q, d] and the standard deviation of the vector [N], from decoded genes.

    Args:
        structure: what is fixed.
        numbers: by gene, [N] each.
        count: N.
        threshold: c, the unit of a deviation.
        held: a deviation that the noise must have, or nearly so, and not exceed.
    """
    law, d = NOISES[structure.noise], structure.dimension
    if not law.words:
        return np.zeros((count, 0, d)), np.zeros(count)
    first = numbers["deviation"] * threshold
    # A little narrower than the sigma that is held, so that rounding cannot break the variance bound.
    if structure.noise == "finite":
        wanted = first if held is None else np.full(count, held * (1 - 2.0**-16))
        return engine_arrays(*build_law(structure, {**numbers, "deviation": wanted}, count)), wanted
    if "uneven" in numbers:
        ladder = numbers["uneven"][:, None] ** (np.arange(d) / (d - 1))
        scale = quantise(first[:, None] * ladder / np.sqrt((ladder**2).sum(1, keepdims=True)))
    else:
        scale = np.stack([first] + [quantise(first * numbers.get(f"deviation{i}", 1.0)) for i in range(1, d)], 1)
    if held is not None:
        size = scale[:, 0] if law.along else np.sqrt((scale**2).sum(1))
        scale = quantise(scale * (held * (1 - 2.0**-16) / size)[:, None])
    columns: dict[str, Floats] = {"scale": scale, "sigma": scale}
    for name in ("degrees", "index"):
        if name in numbers:
            columns[name] = np.repeat(numbers[name][:, None], d, 1)
    if "probability" in numbers:
        p = (np.maximum(np.round(numbers["probability"] * 2.0**32), 1.0) / 2.0**32)[:, None]
        columns["probability"] = np.repeat(p, d, 1)
        if "wide" in numbers:
            ratio = numbers["wide"][:, None]
            columns["scale"] = quantise(scale / np.sqrt(1 - p + p * ratio**2))
            columns["wide"] = quantise(columns["scale"] * ratio)
        else:
            # The variance of one of these laws is `up^2` times a factor of the probability.
            factor = numpy_function(law.variance.xreplace({up: 1}), (probability,))(p)
            columns["up"] = quantise(scale / np.sqrt(factor))
    for name in ("reach", "low"):
        if name in numbers:
            columns[name] = np.repeat(quantise(numbers[name] * threshold)[:, None], d, 1)
    if "high" in numbers:
        columns["high"] = quantise(columns["low"] * numbers["high"][:, None])
    for parameter in law.parameters:
        if parameter.domain is Domain.REAL:
            columns[parameter.name] = structure.tail * columns[parameter.name]
    found = np.stack([columns[p.name] for p in law.parameters], 1)
    if "up" not in columns and "wide" not in columns:
        return found, scale[:, 0] if law.along else np.sqrt((scale**2).sum(1))
    variance = numpy_function(law.variance, law.parameters)(*(found[:, k] for k in range(found.shape[1])))
    return found, np.sqrt(variance[:, 0] if law.along else variance.sum(1))


def exact_noise(structure: Structure, numbers: Floats) -> Family | FiniteLaw:
    """The noise of parameters [Q, d], exact: the rational numbers that the floats are."""
    d = structure.dimension
    if structure.noise != "finite":
        names = [p.name for p in NOISES[structure.noise].parameters]
        return Family(
            structure.noise,
            tuple(
                {n: sp.Rational(*float(numbers[k, i]).as_integer_ratio()) for k, n in enumerate(names)}
                for i in range(d)
            ),
        )
    count = structure.atoms
    missing = (len(numbers) + 1) // 2 - count
    ends = [0.0, *numbers[(len(numbers) + 1) // 2 + missing :, 0], 1.0]
    return finite(exact_law(np.diff(ends), numbers[missing : missing + count]))
