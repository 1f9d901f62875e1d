"""How much a search may spend: seconds, or engine steps (then results do not depend on the machine's speed)."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_TEXT = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?(?:e\+?[0-9]{1,3})?)(?P<unit>s|m|h|steps)", re.ASCII)


@dataclass(frozen=True)
class Budget:
    """Seconds or steps, exactly one of them.

    Args:
        seconds: wall-clock seconds, positive and finite.
        steps: engine steps (one step of one replica of one instance, or one atom of a law that is evaluated).

    Raises:
        ValueError: one line with the offending value.
    """

    seconds: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.steps is None):
            raise ValueError("a budget is either seconds or steps, exactly one of them")
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"a budget must be positive and finite, not {self.seconds} seconds")
        if self.steps is not None and (type(self.steps) is not int or self.steps < 1):
            raise ValueError(f"a budget must be a positive number of steps, not {self.steps!r}")

    @staticmethod
    def parse(text: str) -> Budget:
        """Read ``"90s"``, ``"10m"``, ``"2h"`` or ``"1e9steps"``.

        Raises:
            ValueError: one line that echoes the text.
        """
        refusal = f"a budget is a positive number with s, m, h or steps, such as 90s or 1e9steps, not {text!r}"
        match = _TEXT.fullmatch(text.strip()) if isinstance(text, str) and len(text) <= 40 else None
        if match is None:
            raise ValueError(refusal)
        number = float(match["number"])
        if not math.isfinite(number):
            raise ValueError(refusal)
        try:
            if match["unit"] == "steps":
                if number != int(number):
                    raise ValueError(refusal)
                return Budget(steps=int(number))
            return Budget(seconds=number * _UNITS[match["unit"]])
        except ValueError:
            raise ValueError(refusal) from None

    def share(self, n: int) -> Budget:
        """The part of each of ``n`` theorems; at least one step.

        Raises:
            ValueError: if ``n`` is not positive.
        """
        if n < 1:
            raise ValueError(f"a budget is shared by at least one, not {n}")
        if self.steps is not None:
            return Budget(steps=max(1, self.steps // n))
        assert self.seconds is not None
        return Budget(seconds=self.seconds / n)

    def part(self, fraction: float) -> Budget:
        """A fraction of this budget; at least one step."""
        if self.steps is not None:
            return Budget(steps=max(1, int(self.steps * fraction)))
        assert self.seconds is not None
        return Budget(seconds=self.seconds * fraction)

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps is not None else f"{self.seconds:g} s"


@dataclass
class Meter:
    """Counts what was spent of a budget; starts its clock when made.

    Attributes:
        steps, evaluations: engine steps, and problems scored.
        vain: problems that were drawn and not run. Beside the budget; a race between searchers counts them.
    """

    budget: Budget
    steps: int = 0
    evaluations: int = 0
    vain: int = 0
    _began: float = field(default_factory=time.perf_counter, repr=False)

    def add(self, steps: int, evaluations: int = 0) -> None:
        """Count ``steps`` engine steps and ``evaluations`` scored problems."""
        self.steps += int(steps)
        self.evaluations += int(evaluations)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the meter was made."""
        return time.perf_counter() - self._began

    @property
    def fraction(self) -> float:
        """The part of the budget that is spent; may exceed 1 by one evaluation."""
        if self.budget.steps is not None:
            return self.steps / self.budget.steps
        assert self.budget.seconds is not None
        return self.seconds / self.budget.seconds

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self.fraction >= 1
