"""The one exception a statement can raise: a single line that says what is wrong and where."""

from __future__ import annotations

import sys
from pathlib import Path

_LANGUAGE_FOLDER = Path(__file__).resolve().parent


class StatementError(ValueError):
    """A statement is malformed. Its text is one line naming file, theorem and field."""

    def __init__(self, message: str, *, theorem: str = "?", field: str = "?", where: tuple[str, int] | None = None):
        file, line = where if where is not None else defined_at()
        self.file, self.line, self.theorem, self.field, self.message = file, line, theorem, field, message
        super().__init__(f"{file}:{line}: theorem {theorem!r}: field {field!r}: {message}")


def defined_at() -> tuple[str, int]:
    """File and line of the nearest caller outside the language itself (and outside dataclass machinery)."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        inside = Path(file).resolve().parent == _LANGUAGE_FOLDER or file.endswith("dataclasses.py")
        if not file.startswith("<") and not inside:
            return file, frame.f_lineno
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "<unknown>", 0
