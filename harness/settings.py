"""What a command was asked to spend and where: checked before any work begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fuzz.budget import Budget

DEVICES = ("auto", "cpu", "cuda")


class SettingsError(ValueError):
    """An option has an impossible value: one line naming it."""


@dataclass(frozen=True)
class Settings:
    """Budget, device and seed of a command."""

    budget_text: str
    budget: Budget
    device: Literal["cpu", "cuda"]
    seed: int

    @staticmethod
    def of(budget: str, device: str, seed: int) -> Settings:
        """Read the options.

        Raises:
            SettingsError: one line naming the option and its value.
        """
        try:
            parsed = Budget.parse(budget)
        except ValueError as error:
            raise SettingsError(f"option '--budget': {error}") from None
        if seed < 0 or seed >= 2**63:
            raise SettingsError(f"option '--seed': must lie between 0 and 2^63, not {seed}")
        return Settings(budget.strip(), parsed, _device(device), seed)


def _device(word: str) -> Literal["cpu", "cuda"]:
    if word not in DEVICES:
        raise SettingsError(f"option '--device': must be auto, cpu or cuda, not {word!r}")
    if word != "cuda":
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        raise SettingsError("option '--device': cuda is asked for, but torch sees no GPU here")
    return "cuda"
