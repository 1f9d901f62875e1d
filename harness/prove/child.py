"""A solver in a process of its own, so that it can be killed: ``python -m harness.prove.child z3|cvc5 [option=value]``.

Reads one JSON object a line (``{"id": 1, "smt2": ..., "limit": 8.0}``) and answers each with one JSON object a line,
under the same id. It says first that it is ready, or why it cannot be.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

_RLIMIT_Z3 = 40_000_000
_RLIMIT_CVC5 = 4_000_000
RLIMITS = {"z3": _RLIMIT_Z3, "cvc5": _RLIMIT_CVC5}


def _ask_z3(text: str, options: Sequence[str], limit: float) -> dict[str, Any]:
    import z3

    solver = z3.Solver()
    solver.set("rlimit", _RLIMIT_Z3)
    # The rlimit does not count the length of numbers. A solver that stops by itself need not be killed and restarted.
    solver.set("timeout", int(1000 * limit))
    solver.add(z3.parse_smt2_string(text))
    outcome = str(solver.check())
    reason = solver.reason_unknown() if outcome == "unknown" else ""
    model: dict[str, str] | None = None
    if outcome == "sat":
        found = solver.model()
        model = {d.name(): _z3_value(found[d]) for d in found.decls() if d.arity() == 0}
    return {"outcome": outcome, "reason": reason, "model": model}


def _z3_value(number: Any) -> str:
    import z3

    if z3.is_int_value(number):
        return f"{number}/1"
    if z3.is_rational_value(number):
        return f"{number.numerator()}/{number.denominator()}"
    if z3.is_algebraic_value(number):
        coefficients = ",".join(str(c) for c in number.poly())
        return f"root {number.index()} {coefficients}"
    return f"? {number}"


def _ask_cvc5(text: str, options: Sequence[str], limit: float) -> dict[str, Any]:
    import cvc5

    manager = cvc5.TermManager()
    solver = cvc5.Solver(manager)
    solver.setOption("rlimit", str(_RLIMIT_CVC5))
    for option in options:
        solver.setOption(*option.split("=", 1))
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "query")
    answer = ""
    while not (command := parser.nextCommand()).isNull():
        said = command.invoke(solver, parser.getSymbolManager()).strip()
        if said and command.getCommandName() != "check-sat":
            # An assertion that was refused would leave another question than the one asked.
            return {"outcome": "unknown", "reason": f"error: {' '.join(said.split())[:300]}", "model": None}
        answer = said or answer
    if answer in ("sat", "unsat"):
        return {"outcome": answer, "reason": "", "model": None}
    return {"outcome": "unknown", "reason": " ".join(answer.split()) or "gave no answer", "model": None}


def main(which: str, *options: str) -> None:
    """Serve questions until the input ends."""
    # Solvers write warnings of their own, also past Python; nothing but our lines may reach the parent.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        module = __import__(which)
        version = getattr(module, "__version__", None) or module.get_version_string()
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=out, flush=True)
        return
    print(json.dumps({"ready": str(version)}), file=out, flush=True)
    ask = {"z3": _ask_z3, "cvc5": _ask_cvc5}[which]
    for line in sys.stdin:
        start = time.perf_counter()
        question = json.loads(line)
        try:
            answer = ask(question["smt2"], options, question["limit"])
        except Exception as error:
            # A solver that rejects the text has not answered it; the reason goes into the report.
            answer = {"outcome": "unknown", "reason": f"error: {' '.join(str(error).split())[:300]}", "model": None}
        answer |= {"id": question["id"], "seconds": time.perf_counter() - start}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
