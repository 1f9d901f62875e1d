"""Real data sets, as short rationals: features standardised and rounded to sixteenths, labels 1 and -1.

The data are those that scikit-learn ships (extra ``data``); nothing is downloaded, and nothing here needs scikit-learn
until a set is asked for.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

GRID = 16
"""Features are multiples of 1/16."""

DATASETS = {"breast_cancer": "load_breast_cancer", "iris": "load_iris", "wine": "load_wine"}
"""Sets by name, and what loads them; of several classes the first is told from the rest."""


class DataError(ValueError):
    """A data set cannot be had: one line."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Signed features: row i is ``label_i (features_i, 1)``, in sixteenths.

    Args:
        name: key in :data:`DATASETS`, or any other word.
        rows: int64 [n, d], read-only.

    Raises:
        DataError: for an empty table.
    """

    name: str
    rows: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        rows = np.array(self.rows, np.int64)
        if rows.ndim != 2 or 0 in rows.shape:
            raise DataError(f"a data set needs rows and columns, not shape {rows.shape}")
        rows.flags.writeable = False
        object.__setattr__(self, "rows", rows)

    @cached_property
    def sha256(self) -> str:
        """Of the shape and the rows, as integers in text."""
        text = ";".join(",".join(map(str, row)) for row in self.rows.tolist())
        return hashlib.sha256(f"{self.rows.shape}{text}".encode()).hexdigest()

    @property
    def samples(self) -> int:
        """n."""
        return len(self.rows)

    @property
    def dimension(self) -> int:
        """d, the intercept included."""
        return int(self.rows.shape[1])


@lru_cache(maxsize=4)
def load(name: str) -> Dataset:
    """A data set by name.

    Raises:
        DataError: one line, for an unknown name, or where scikit-learn is missing.
    """
    if name not in DATASETS:
        raise DataError(f"unknown data set {name!r}; known: {', '.join(sorted(DATASETS))}")
    try:
        source = importlib.import_module("sklearn.datasets")
    except ImportError:
        raise DataError(
            f"data set {name!r} comes with scikit-learn, which is not installed (pip install 'clipbounds[data]')"
        ) from None
    table = getattr(source, DATASETS[name])()
    features, labels = np.asarray(table.data, np.float64), np.where(np.asarray(table.target) == 0, 1, -1)
    spread = features.std(0)
    scaled = (features - features.mean(0)) / np.where(spread > 0, spread, 1.0)
    rounded = np.round(scaled * GRID).astype(np.int64)
    return Dataset(name, labels[:, None] * np.concatenate([rounded, np.full((len(rounded), 1), GRID)], 1))
