"""LaTeX to SVG by the typesetter, kept in memory and on disk: setting a formula takes some tens of milliseconds.

What is kept is what the typesetter said; whoever uses it rebuilds it from an allow-list, so that a changed file on disk
may spoil a formula's look but cannot bring markup into a page.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import warnings
import zlib
from functools import lru_cache
from importlib import metadata
from pathlib import Path

SIZE = 20.0
_FORMAT = 1
_MOST_BYTES = 4_000_000


def formulas_directory() -> Path:
    """``formulas`` beside the kept answers of the solvers: ``$CLIPBOUNDS_CACHE``, else ``~/.cache/clipbounds``."""
    given = os.environ.get("CLIPBOUNDS_CACHE")
    return (Path(given) if given else Path.home() / ".cache" / "clipbounds") / "formulas"


@lru_cache(maxsize=4096)
def typeset(latex: str) -> str:
    """The typesetter's SVG of a formula, at font size 20.

    Raises:
        Exception: whatever the typesetter raises; it documents no errors of its own.
    """
    path = _path(latex)
    kept = _read(path)
    if kept is not None:
        return kept
    with warnings.catch_warnings():
        # On import it asks for its fonts in a deprecated way; where warnings are errors no formula would be set at all.
        warnings.simplefilter("ignore", DeprecationWarning)
        from ziamath import config  # type: ignore[attr-defined]
        from ziamath.zmath import Latex

    config.svg2 = True
    # After a number latex2mathml takes the hyphen of \text{-smooth} for a minus sign, and loses its way.
    svg: str = Latex(latex.replace(r"\text{-", "\\text{\u2010"), size=SIZE).svg()
    _write(path, svg)
    return svg


def _path(latex: str) -> Path:
    whole = f"{_FORMAT}\n{metadata.version('ziamath')}\n{metadata.version('latex2mathml')}\n{latex}"
    key = hashlib.blake2b(whole.encode(), digest_size=20).hexdigest()
    return formulas_directory() / key[:2] / f"{key}.svgz"


def _read(path: Path) -> str | None:
    """A kept formula; None if there is none that is whole (its own checksum is zlib's)."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(path.read_bytes(), _MOST_BYTES)
        return data.decode() if unpacker.eof else None
    except (OSError, ValueError, zlib.error):
        return None


def _write(path: Path, svg: str) -> None:
    # A disk that is full or read-only costs time, nothing else.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(zlib.compress(svg.encode()))
            os.replace(temporary, path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
