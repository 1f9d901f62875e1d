"""Laws of finitely many atoms: from genes to arrays, and as the engines run them.

An engine draws one word per step, from coordinate 0, and compares it with cumulative counts ``2^32 (p_1 + ... + p_k)``:
so probabilities are multiples of 2^-32, exactly, and the coordinates of a vector depend on one another as they please.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np

from fuzz.genes import EACH, Gene, Structure, quantise
from fuzz.onestep import Law
from fuzz.problem import FiniteLaw
from fuzz.reading import Floats, Letters
from theorems.language.noises import ATOMS, BELOW, LATTICE, MOST_ATOMS

SHRINK = 1 - 2.0**-24
"""Laws are made this much narrower than sigma, so that rounding an atom cannot break the variance bound."""


def why_not_run(law: FiniteLaw) -> str:
    """Why no engine runs a law; empty if they do."""
    probabilities = [p for p, _ in law.atoms if p != 0]
    if len(probabilities) > MOST_ATOMS:
        return f"no engine runs a noise of {len(probabilities)} atoms, {MOST_ATOMS} are the most"
    for p in probabilities:
        if not (LATTICE * p).is_Integer:
            return f"no engine runs an atom of probability {p}, which is no multiple of 2^-32"
    return ""


def engine_numbers(law: FiniteLaw) -> dict[str, list[float]]:
    """The numbers of the noise ``finite`` in an engine's batch, d floats each.

    Raises:
        ValueError: one line, for a law that no engine runs.
    """
    if reason := why_not_run(law):
        raise ValueError(reason)
    atoms = [(p, vector) for p, vector in law.atoms if p != 0]
    width = len(atoms[0][1])
    # Missing atoms come first, with probability 0: the last one's may not be 0.
    missing = MOST_ATOMS - len(atoms)
    found = {ATOMS[k].name: [0.0] * width for k in range(missing)}
    found |= {BELOW[k].name: [0.0] * width for k in range(missing)}
    total = 0
    for k, (p, vector) in enumerate(atoms, missing):
        found[ATOMS[k].name] = [float(entry) for entry in vector]
        total += p
        if k < MOST_ATOMS - 1:
            found[BELOW[k].name] = [float(total)] * width
    return found


def engine_arrays(probabilities: Floats, atoms: Floats) -> Floats:
    """The same for N laws at once: [N, 11, d] from probabilities [N, K], all positive, and atoms [N, K, d]."""
    count, most, width = atoms.shape
    missing = MOST_ATOMS - most
    found = np.zeros((count, 2 * MOST_ATOMS - 1, width))
    found[:, missing:MOST_ATOMS] = atoms
    # Sums of few multiples of 2^-32 are exact.
    found[:, MOST_ATOMS + missing :] = probabilities.cumsum(1)[:, :-1, None]
    return found


def law_genes(structure: Structure) -> list[Gene]:
    """Genes of weights and atoms; the deviation has its own."""
    free = free_atoms(structure)
    genes = [Gene(f"weight{i}", -8.0, 8.0, "linear") for i in range(free - 1)]
    return genes + [Gene(f"atom{i}.{j}", -2.0, 2.0, "linear") for i in range(free) for j in range(_width(structure))]


def _width(structure: Structure) -> int:
    """How many numbers an atom has: one for each coordinate, or for each vector of :func:`basis`."""
    if structure.turn:
        return min(structure.dimension, 1 + (structure.turn % 2 == 0))
    if structure.dimension > EACH:
        raise ValueError(f"atoms in {structure.dimension} dimensions need a turn: {structure}")
    return structure.dimension


@lru_cache(maxsize=64)
def basis(dimension: int, turn: int) -> Floats:
    """One vector [1, d], or two orthogonal ones [2, d] if ``turn`` is even, of length 1, in random directions.

    They are rounded, so that atoms are rational: what is exact of a law (total, mean, deviation) is made so afterwards,
    from its atoms. By the argument of :mod:`fuzz.problem` such a law on a separable objective is one on a few
    coordinates, and a randomly rotated objective.
    """
    width = min(dimension, 1 + (turn % 2 == 0))
    vectors = np.random.default_rng([dimension, turn]).standard_normal((dimension, width))
    return np.asarray(np.round(np.linalg.qr(vectors)[0].T * 2.0**20) / 2.0**20)


def free_atoms(structure: Structure) -> int:
    """Atoms with genes of their own: of a mirrored law a half."""
    return structure.atoms // 2 if structure.mirrored else structure.atoms


def build_law(structure: Structure, numbers: Letters, count: int) -> tuple[Floats, Floats]:
    """Probabilities [N, K], multiples of 2^-32, and atoms [N, K, d] with mean zero and deviation ``deviation``."""
    k, d = free_atoms(structure), _width(structure)
    logits = np.stack([numbers[f"weight{i}"] for i in range(k - 1)] + [np.zeros(count)], 1)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    unit = np.stack([np.stack([numbers[f"atom{i}.{j}"] for j in range(d)], 1) for i in range(k)], 1)
    if structure.turn:
        unit, d = unit @ basis(structure.dimension, structure.turn), structure.dimension
    # An atom of small probability must be far out to matter: measured in 1/sqrt(p) all atoms are alike.
    unit = unit / np.sqrt(weights)[..., None]
    # Short binary numbers; the likeliest atom takes up the rest, so that total and mean are exact.
    total = 0.5 if structure.mirrored else 1.0
    rows, solved = np.arange(count), weights.argmax(1)
    weights = np.maximum(np.round(weights * total * 2.0**32), 1.0) / 2.0**32
    weights[rows, solved] = 0.0
    weights[rows, solved] = total - weights.sum(1)

    def centred(atoms: Floats) -> Floats:
        if not structure.mirrored:
            atoms[rows, solved] = 0.0
            atoms[rows, solved] = -(weights[..., None] * atoms).sum(1) / weights[rows, solved][:, None]
        return atoms

    unit = centred(unit)
    spread = np.sqrt((weights * (unit**2).sum(-1)).sum(1) / total)
    factor = np.divide(numbers["deviation"], spread, out=np.zeros(count), where=spread > 1e-9)
    atoms = centred(quantise(unit * (factor * SHRINK)[:, None, None], 30))
    if structure.mirrored:
        return np.repeat(weights, 2, 1), np.stack([atoms, -atoms], 2).reshape(count, 2 * k, d)
    return weights, atoms


def exact_law(probabilities: Floats, atoms: Floats) -> Law:
    """A law of :func:`build_law` with its likeliest atom solved exactly: total 1 and mean 0."""
    weights = [Fraction(float(p)) for p in probabilities]
    points = [tuple(Fraction(float(e)) for e in a) for a in atoms]
    solved = max(range(len(weights)), key=lambda i: weights[i])
    rest = [i for i in range(len(weights)) if i != solved]
    weights[solved] = 1 - sum((weights[i] for i in rest), Fraction(0))
    points[solved] = tuple(
        -sum((weights[i] * points[i][j] for i in rest), Fraction(0)) / weights[solved] for j in range(atoms.shape[1])
    )
    return list(zip(weights, points, strict=True))
