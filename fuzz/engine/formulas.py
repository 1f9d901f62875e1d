"""Compiled formulas and the numbers that are evaluated once per instance for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sympy as sp

from fuzz.engine.batch import Floats
from fuzz.engine.printers.numpy_source import numpy_function
from theorems.language.functions import PLUS, families


@dataclass(frozen=True)
class Formula:
    """A compiled formula: its number in the switch, and what is evaluated once per instance for it."""

    number: int
    parameters: tuple[sp.Symbol, ...]
    hoisted: tuple[sp.Expr, ...]

    def evaluate(self, numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Hoisted numbers [H, ...] from parameters [P, ...]."""
        values = [numbers[k] for k in range(len(self.parameters))]
        result = np.empty((len(self.hoisted), *numbers.shape[1:]))
        for k, expression in enumerate(self.hoisted):
            result[k] = numpy_function(expression, self.parameters)(*values)
        return result


def hoisted_numbers(
    formulas: Mapping[str, Formula], names: tuple[str, ...], numbers: Floats
) -> npt.NDArray[np.float64]:
    """Numbers [I, d, H] that the compiled formulas of families ``names`` [I] read, from parameters [I, P, d]."""
    distinct = dict.fromkeys(names)
    most = max(1, *(len(formulas[part].hoisted) for name in distinct for part in families(name)))
    result = np.zeros((len(names), numbers.shape[2], most))
    for name in distinct:
        rows = [i for i, other in enumerate(names) if other == name]
        parts = families(name)
        for j, part in enumerate(parts):
            # One family is that of all coordinates, or of their norm, which reads the numbers of the first.
            axes = slice(None) if len(parts) == 1 else slice(j, j + 1)
            values = formulas[part].evaluate(numbers[rows][:, :, axes].transpose(1, 0, 2))
            result[rows, axes, : len(values)] = values.transpose(1, 2, 0)
    return result


def family_numbers(formulas: Mapping[str, Formula], names: tuple[str, ...], dimension: int) -> npt.NDArray[np.int64]:
    """The number of each coordinate's family in the switch, [I, d]."""
    known = {
        name: [formulas[part].number for part in families(name)] * (1 if PLUS in name else dimension)
        for name in dict.fromkeys(names)
    }
    return np.array([known[name] for name in names], np.int64)
