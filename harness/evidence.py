"""Evidence that does not depend on when one looks: betting e-processes, and one error level for a whole campaign.

For independent non-negative ``X_i`` and the null hypothesis ``E X <= bound`` the product of
``1 + lambda_i (X_i/bound - 1)``, with ``lambda_i`` in [0, 1] chosen from earlier values alone, is a non-negative
supermartingale that starts at 1 (Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting,
2023). By Ville's inequality it ever exceeds ``1/alpha`` with probability at most alpha.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ALPHA = 1e-6
"""The chance that a whole campaign refutes any true statement by bad luck."""

# The stake stays below one, so that a single zero does not end the game.
_BOLDEST = 0.999
_COLUMNS = 2**22


@dataclass(frozen=True)
class Look:
    """One confirmation of a campaign: the k-th needs ``e >= k (k + 1)/alpha``."""

    number: int
    log10_threshold: float


@dataclass
class ErrorLedger:
    """Counts the confirmations of a campaign. The levels ``alpha/(k (k + 1))`` sum to alpha over all k.

    Args:
        alpha: error level of the whole campaign, in (0, 1).
        looks: confirmations already made.

    Raises:
        ValueError: one line with the offending value.
    """

    alpha: float = ALPHA
    looks: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha must lie between 0 and 1, not {self.alpha}")
        if self.looks < 0:
            raise ValueError(f"looks must not be negative, not {self.looks}")

    def next_look(self) -> Look:
        """Count one more confirmation, whatever comes of it."""
        self.looks += 1
        return Look(self.looks, math.log10(self.looks * (self.looks + 1) / self.alpha))


def log10_e(values: Floats, bound: float) -> float:
    """The largest value that the e-process reaches on its way, as a decimal logarithm.

    Args:
        values: independent and identically distributed measurements in the order of their numbers, [n], or [n, C] for
            C hypotheses ``E X_c <= bound`` of which at least one is true under the null ("the least over time is at
            most the bound"): then the least of the C largest values counts.
        bound: positive.

    Raises:
        ValueError: for a bound that is not positive and finite, or a value that is negative or not finite.
    """
    if not (math.isfinite(bound) and bound > 0):
        raise ValueError(f"the bound of an e-process must be positive and finite, not {bound}")
    table = np.asarray(values, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if not (np.isfinite(table).all() and (table >= 0).all()):
        raise ValueError("an e-process takes finite values that are not negative")
    width = max(1, _COLUMNS // max(1, len(table)))
    blocks = (table[:, first : first + width] for first in range(0, table.shape[1], width))
    return min(float(_largest(block / bound).min()) for block in blocks) / math.log(10)


def _largest(ratios: Floats) -> Floats:
    """The largest natural logarithm that each column's process reaches, [C]; 0 is where it starts."""
    gains = np.log1p(_stakes(ratios) * (ratios - 1))
    process = gains.cumsum(0)
    # Rounding of n additions and logarithms, against us.
    slack = 1e-12 * (len(ratios) + np.abs(gains).sum(0))
    return np.asarray(np.maximum(process.max(0, initial=0.0) - slack, 0.0))


def _stakes(ratios: Floats) -> Floats:
    """The stake of each round from the rounds before it: ``mean/(variance + mean^2)`` of ``X/bound - 1``, which is
    the best one to second order. Two made-up rounds at -1 and 1 steady the start."""
    excess = ratios - 1
    count = np.arange(len(ratios), dtype=np.float64)[:, None] + 2
    total = np.zeros_like(excess)
    total[1:] = excess[:-1].cumsum(0)
    square = np.full_like(excess, 2.0)
    square[1:] += (excess[:-1] ** 2).cumsum(0)
    # square/count = variance + mean^2
    return np.asarray(np.clip(total / count / (square / count), 0.0, _BOLDEST))


def lower_confidence(values: Floats, log10_threshold: float) -> float:
    """The largest number that the test rejects as a bound on the mean at this threshold; 0 if it rejects none.

    Args:
        values: as for :func:`log10_e`.
        log10_threshold: of the e-value.
    """
    table = np.asarray(values, np.float64)
    means = table.mean(0)
    high = float(np.min(means))
    if high <= 0 or log10_e(table, high * 1e-9) < log10_threshold:
        return 0.0
    low = high * 1e-9
    for _ in range(40):
        middle = (low + high) / 2
        if log10_e(table, middle) >= log10_threshold:
            low = middle
        else:
            high = middle
    return low
