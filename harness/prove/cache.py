"""Answers of solvers on disk, by a hash of everything that they depend on.

An answer is kept under the text of its query, the solver, its version, its options and its limits. Only definite
answers are kept: an ``unknown`` may be decided on a faster day. An entry that cannot be read, or whose checksum is
wrong, is no answer and is written anew. The checksum finds accidents, not malice: whoever can write to the folder can
plant a lie, so that a verdict to be relied on is asked for with ``--no-cache``; a kept answer is marked in JSON.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

_FORMAT = 1
_PACKAGES = {"z3": "z3-solver", "cvc5": "cvc5"}


def answers_directory() -> Path:
    """``answers`` in the folder where generated code is kept: ``$CLIPBOUNDS_CACHE``, else ``~/.cache/clipbounds``."""
    given = os.environ.get("CLIPBOUNDS_CACHE")
    return (Path(given) if given else Path.home() / ".cache" / "clipbounds") / "answers"


@dataclass(frozen=True)
class Kept:
    """A definite answer, and how long it took when it was given."""

    outcome: Literal["sat", "unsat"]
    seconds: float
    model: dict[str, str] | None


class AnswerCache:
    """A folder of answers; a folder that cannot be read or written is an empty one.

    Args:
        folder: by default :func:`answers_directory`.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = answers_directory() if folder is None else folder

    def get(self, text: str, solver: str, options: Sequence[Any]) -> Kept | None:
        """The kept answer; ``None`` if there is none that is whole."""
        key = _key(text, solver, options)
        if key is None:
            return None
        try:
            told = json.loads(self._path(key).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return _read(told, key)

    def put(self, text: str, solver: str, options: Sequence[Any], kept: Kept) -> None:
        """Keep an answer. Processes may race: a file is put in place whole, by a rename."""
        key = _key(text, solver, options)
        if key is None:
            return
        content: dict[str, Any] = {
            "key": key,
            "outcome": kept.outcome,
            "seconds": round(kept.seconds, 4),
            "model": kept.model,
        }
        path = self._path(key)
        # A disk that is full or read-only costs time, not an answer.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump({**content, "checksum": _checksum(content)}, file)
                os.replace(temporary, path)
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def _key(text: str, solver: str, options: Sequence[Any]) -> str | None:
    """``None`` for a solver that is not installed: what it once said is not what it says."""
    from harness.prove.child import RLIMITS

    try:
        version = metadata.version(_PACKAGES[solver])
    except (KeyError, metadata.PackageNotFoundError):
        return None
    whole = json.dumps([_FORMAT, text, solver, version, list(options), RLIMITS[solver]])
    return hashlib.blake2b(whole.encode(), digest_size=20).hexdigest()


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=20).hexdigest()


def _read(told: Any, key: str) -> Kept | None:
    if not isinstance(told, dict):
        return None
    content = {name: told.get(name) for name in ("key", "outcome", "seconds", "model")}
    outcome, seconds, model = content["outcome"], content["seconds"], content["model"]
    if content["key"] != key or told.get("checksum") != _checksum(content):
        return None
    if outcome not in ("sat", "unsat") or not isinstance(seconds, int | float):
        return None
    if not (model is None or (isinstance(model, dict) and all(isinstance(v, str) for v in model.values()))):
        return None
    return Kept(outcome, float(seconds), model)
