"""Loops over lanes that are cut before and after elementary functions.

A processor looks ahead for a few hundred operations. In a formula with such functions each operation waits for the one
before, and the next lanes are too far ahead to fill the time. Cut into shorter loops, which hand rows of a buffer to
each other, the same operations take a tenth to a half less time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_ALONE = ("vexp", "vlog", "expm1", "vgrowth", "vexprel", "vcos_turns", "vcos", "vsin")
# Each by one of those, in the words of ``vmath.py``.
_COMPOSED = {
    "vpower": "vexp(np.float64({1}) * vlog({0}))",
    "vtanh": "tanh_of({0}, expm1(-2.0 * min(abs(np.float64({0})), 20.0)))",
}
_CALL = re.compile(rf"\b({'|'.join((*_ALONE, *_COMPOSED))})\(")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


@dataclass(frozen=True)
class Stage:
    """One loop: what it reads from rows of the buffer, its lines, and what it leaves there."""

    reads: tuple[tuple[str, int], ...]
    lines: tuple[str, ...]
    writes: tuple[tuple[str, int], ...]


def names(lines: Iterable[str]) -> set[str]:
    """What the lines mention."""
    return {name for line in lines for name in _NAME.findall(line)}


def stages(lines: Sequence[str]) -> list[Stage]:
    """The loops that do what one loop of these assignments would do; one, if no elementary function is called."""
    # Functions are called in odd stages, the first after all that they wait for; other lines are in even ones.
    cut: dict[int, list[str]] = {}
    place: dict[str, int] = {}
    for line in _single_out(lines):
        target = line.split(" = ")[0]
        after = max((place.get(name, 0) for name in names([line])), default=0)
        place[target] = after + after % 2 + (re.match(r"s\d+$", target) is not None)
        cut.setdefault(place[target], []).append(line)
    parts = [cut[k] for k in sorted(cut)]
    made = [{line.split(" = ")[0] for line in part if re.match(r"\w+ = ", line)} for part in parts]
    used = [names(part) for part in parts]
    rows: dict[str, int] = {}
    result = []
    for k, part in enumerate(parts):
        reads = tuple((name, rows[name]) for name in sorted(used[k] & set(rows)))
        needed = set().union(*used[k + 1 :])
        rows = {name: row for name, row in rows.items() if name in needed}
        writes = []
        for name in sorted(made[k] & needed):
            rows[name] = next(row for row in range(len(rows) + 1) if row not in rows.values())
            writes.append((name, rows[name]))
        result.append(Stage(reads, tuple(part), tuple(writes)))
    return result


def in_type_of_states(parts: Iterable[Stage]) -> set[str]:
    """Names that formulas in x assign without float64, which elementary functions return."""
    wide: set[str] = set()
    assigned: set[str] = set()
    for line in (line for part in parts for line in part.lines):
        target, _, text = line.partition(" = ")
        assigned.add(target)
        if re.match(r"s\d+$", target) or "np.float64" in text or names([text]) & wide:
            wide.add(target)
    return assigned - wide


def _single_out(lines: Sequence[str]) -> list[str]:
    """The same with each elementary function called in a line of its own, ``s0 = ...``."""
    result: list[str] = []
    count = 0
    for line in lines:
        text = line
        # The last to begin has no other within.
        while calls := list(_CALL.finditer(text)):
            call = calls[-1]
            end = _end(text, call.end())
            arguments = []
            for argument in _split(text[call.end() : end]):
                if not argument.isidentifier():
                    result.append(f"a{count} = {argument}")
                    argument = f"a{count}"
                arguments.append(argument)
                count += 1
            if call[1] in _COMPOSED:
                put = _COMPOSED[call[1]].format(*arguments)
            else:
                put = f"s{count}"
                result.append(f"{put} = {call[1]}({arguments[0]})")
            text = text[: call.start()] + put + text[end + 1 :]
        result.append(text)
    return result


def _end(text: str, start: int) -> int:
    """Where the parenthesis is closed that was opened before ``start``."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise ValueError(f"a parenthesis is not closed in {text!r}")


def _split(text: str) -> list[str]:
    """Arguments, at commas outside all brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
