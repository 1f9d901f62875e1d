"""The prover: obligations of a statement, asked of two solvers in child processes that can be killed."""

from __future__ import annotations

from harness.prove.check import CheckResult, ObligationResult, check

__all__ = ["CheckResult", "ObligationResult", "check"]
