"""The plugin's options, checked before anything is collected, and the error level of each item.

**The error level of a session.** Every item has a ledger of its own, whose level is a fixed share of alpha. The share
is a function of where the item stands: with i the rank of its file among all theorem files (sorted, whether selected or
not), j the rank of its theorem in the file, and its kind (check, fuzz or example), it is
``alpha/(i (i + 1)) / (j (j + 1)) / 3``, divided by the number of parts for a part of a search, and by ``e (e + 1)`` for
the e-th example. Since ``sum_k 1/(k (k + 1)) = 1``, the shares of all items that can exist add up to at most alpha, and
inside an item the k-th look takes ``1/(k (k + 1))`` of its share (:class:`harness.evidence.ErrorLedger`). By the union
bound the chance that a session refutes any true statement by bad luck is at most alpha: however many items there are,
in whatever order and on however many workers they run, and whichever of them are selected. No share depends on time,
on workers or on other items' outcomes, so that verdicts do not either.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fuzz.budget import Budget

PROFILES = ("ci", "nightly")
ALPHA = 1e-6
"""Of a session; the same as :data:`harness.evidence.ALPHA`, which would bring NumPy with it."""

_DEFAULT_BUDGET = {"ci": "5s", "nightly": "60s"}
# Steps a second, by what a theorem speaks of; round figures of a modest machine. The profile ci counts seconds by them.
NOMINAL_ATOMS, NOMINAL_STEPS = 25_000, 5_000_000
_MOST_PARTS = 1000

Kind = Literal["check", "fuzz", "example"]


class OptionError(ValueError):
    """An option has an impossible value: one line naming it."""


@dataclass(frozen=True)
class PluginOptions:
    """What a session was asked to do.

    Args:
        paths: files and folders with theorems, absolute.
        profile: ``ci`` (fixed steps, fixed seed: the same commit gives the same verdict) or ``nightly`` (seconds, a
            fresh seed, and the best problems of earlier nights as starts).
        budget_text: of each theorem's search; ``""`` means the profile's own.
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: of searches and confirmations.
        parts: how many items a theorem's search is cut into.
        out: folder for findings and for the corpus of best problems.
        regressions: folder of promoted findings.
        cache: whether answers that solvers gave earlier may be used.

    Raises:
        OptionError: one line naming the option and its value.
    """

    paths: tuple[Path, ...]
    profile: str
    budget_text: str
    device: str
    seed: int
    parts: int
    out: Path
    regressions: Path
    cache: bool = True

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise OptionError(f"option '--clipbounds-profile': must be ci or nightly, not {self.profile!r}")
        if not 1 <= self.parts <= _MOST_PARTS:
            raise OptionError(f"option '--fuzz-parts': must lie between 1 and {_MOST_PARTS}, not {self.parts}")
        from harness.settings import Settings, SettingsError

        try:
            Settings.of(self.budget_text or _DEFAULT_BUDGET[self.profile], self.device, self.seed)
        except SettingsError as error:
            text = str(error).replace("'--budget'", "'--fuzz-budget'").replace("'--seed'", "'--fuzz-seed'")
            raise OptionError(text.replace("'--device'", "'--fuzz-device'")) from None

    @property
    def asked(self) -> Budget:
        """The budget of one theorem, as it was asked for."""
        return Budget.parse(self.budget_text or _DEFAULT_BUDGET[self.profile])

    def budget(self, *, one_step: bool) -> Budget:
        """The budget of one theorem: in the profile ci always steps, so that no clock has a say.

        Args:
            one_step: whether the theorem speaks of one step, whose unit of work is an atom of a law.
        """
        asked = self.asked
        if self.profile == "ci" and asked.seconds is not None:
            return Budget(steps=max(1, int(asked.seconds * (NOMINAL_ATOMS if one_step else NOMINAL_STEPS))))
        return asked

    def part_seed(self, part: int) -> int:
        """The seed of a part of a search, counted from 1; the first has the session's own."""
        if part == 1:
            return self.seed
        return int.from_bytes(hashlib.sha256(f"{self.seed}:{part}".encode()).digest()[:7], "big")

    def header(self) -> str:
        """One line for the head of a session."""
        asked = self.asked
        spent = str(asked)
        if self.profile == "ci" and asked.seconds is not None:
            atoms, steps = self.budget(one_step=True).steps, self.budget(one_step=False).steps
            spent = f"{asked.seconds:g} nominal seconds ({atoms:,} atoms or {steps:,} steps)"
        parts = "" if self.parts == 1 else f" in {self.parts} parts"
        return f"clipbounds: profile {self.profile}, seed {self.seed}, {spent} a theorem{parts}, findings in {self.out}"


def share(kind: Kind, file: int, theorem: int, part: int = 1, parts: int = 1) -> float:
    """The error level of an item; the module's head says why all of them add up to at most :data:`ALPHA`.

    Args:
        kind: of the item.
        file, theorem: ranks, from 1.
        part: of a search, from 1; or the rank of an example.
        parts: of a search.

    Raises:
        ValueError: for a rank below 1, or a part beyond the parts.
    """
    if min(file, theorem, part, parts) < 1 or (kind == "fuzz" and part > parts):
        raise ValueError(f"ranks count from 1, not file {file}, theorem {theorem}, part {part} of {parts}")
    level = ALPHA / (file * (file + 1)) / (theorem * (theorem + 1)) / 3
    if kind == "example":
        return level / (part * (part + 1))
    return level / parts if kind == "fuzz" else level
