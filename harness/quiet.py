"""Our own work inside a user's test session."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[None]:
    """Imports and computations to which a user's ``filterwarnings = error`` does not apply: it is about the user's
    code, and a library's deprecation is no verdict on a theorem."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
