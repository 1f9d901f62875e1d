"""Which files hold theorems, in an order that every worker agrees on, and what they state."""

from __future__ import annotations

import fnmatch
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.quiet import undisturbed

if TYPE_CHECKING:
    from theorems.language import Theorem

_IMPORTS = re.compile(rb"^[ \t]*(?:from|import)[ \t]+theorems\b", re.MULTILINE)
_MENTIONS = re.compile(rb"\bTheorem\b")


class TheoremFileError(ValueError):
    """A theorem file is no good: one line saying where and what."""


class TheoremFiles:
    """The theorem files below some paths. A folder is searched for Python files that import ``theorems`` and mention
    ``Theorem``; test modules and conftests in it are left to pytest. A file that is named itself is taken as it is.

    Args:
        paths: files and folders, absolute.
        python_files: patterns of test modules.
        norecursedirs: patterns of folders that are not entered.
    """

    def __init__(self, paths: Sequence[Path], python_files: Sequence[str], norecursedirs: Sequence[str]):
        self.paths = tuple(paths)
        self.tests, self.closed = tuple(python_files), tuple(norecursedirs)

    @cached_property
    def ranks(self) -> dict[Path, int]:
        """Every theorem file with its rank, from 1: by the path that led to it, then by name."""
        found: dict[Path, None] = {}
        for path in self.paths:
            for file in [path] if path.is_file() else sorted(self._walk(path)):
                found.setdefault(file)
        return {file: rank for rank, file in enumerate(found, 1)}

    def named(self, file: Path) -> bool:
        """Whether a file was named itself, so that it must define theorems."""
        return file in self.paths

    def is_test_module(self, file: Path) -> bool:
        """Whether pytest would collect a file as a test module of its own accord."""
        return any(fnmatch.fnmatch(file.name, pattern) for pattern in self.tests)

    def _walk(self, folder: Path) -> Iterator[Path]:
        for place, folders, files in os.walk(folder):
            inside = Path(place)
            folders[:] = sorted(name for name in folders if not self._is_closed(inside / name))
            for name in files:
                file = inside / name
                if name.endswith(".py") and name != "conftest.py" and not self.is_test_module(file) and _states(file):
                    yield file

    def _is_closed(self, folder: Path) -> bool:
        if folder.name == "__pycache__" or (folder / "pyvenv.cfg").is_file():
            return True
        return any(fnmatch.fnmatch(folder.name, pattern) for pattern in self.closed)


def _states(file: Path) -> bool:
    try:
        text = file.read_bytes()
    except OSError:
        return False
    return bool(_IMPORTS.search(text) and _MENTIONS.search(text)) and not _is_language(file)


def _catalogue_folder() -> Path | None:
    spec = importlib.util.find_spec("theorems")
    return Path(spec.origin).resolve().parent if spec is not None and spec.origin else None


def _is_language(file: Path) -> bool:
    """Whether a file belongs to the language that statements are written in, and states nothing itself."""
    home = _catalogue_folder()
    resolved = file.resolve()
    return home is not None and (home / "language" in resolved.parents or resolved.parent == home)


def statements(file: Path, *, named: bool) -> list[Theorem]:
    """The theorems of a file, in the order of their definition. A file of the catalogue gives the catalogue's own.

    Args:
        file: absolute.
        named: whether it must define some; a file that was found in a folder may turn out to define none.

    Raises:
        TheoremFileError: one line, for a file that is malformed, cannot be run, or uses a name of the catalogue.
    """
    with undisturbed():
        try:
            from theorems.catalogue import CatalogueError, load_catalogue, load_file
            from theorems.language import StatementError

            catalogue = load_catalogue()
        except ImportError as error:
            # A package of the same name in the user's repository hides ours.
            raise TheoremFileError(
                f"{file}: clipbounds cannot be imported here: {' '.join(str(error).split())}"
            ) from None
    home, resolved = _catalogue_folder(), file.resolve()
    if home is not None and home in resolved.parents:
        found = [t for t in catalogue.values() if Path(t.defined[0]).resolve() == resolved]
    else:
        try:
            found = load_file(file)
        except (CatalogueError, StatementError) as error:
            message = " ".join(str(error).split())
            if not named and message.endswith("defines no Theorem"):
                return []
            raise TheoremFileError(message) from None
        for theorem in found:
            if theorem.name in catalogue:
                raise TheoremFileError(
                    f"{theorem.defined[0]}:{theorem.defined[1]}: theorem {theorem.name!r}: field 'name': the catalogue "
                    "has one of that name"
                )
    return sorted(found, key=lambda t: t.defined[1])


def main(arguments: Sequence[str]) -> int:
    """``python -m harness.plugin.files PATH...`` prints the theorem files below some paths, one a line."""
    paths = [Path(os.path.abspath(text)) for text in arguments]
    absent = [path for path in paths if not path.exists()]
    if absent:
        print(f"clipbounds: {absent[0]}: no such file or folder", file=sys.stderr)
        return 2
    closed = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}")
    for file in TheoremFiles(paths, ("test_*.py", "*_test.py"), closed).ranks:
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
