"""The catalogue: every statement of this repository, and statements read from a reviewer's own file."""

from __future__ import annotations

import importlib
import pkgutil
import runpy
import traceback
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from theorems.language import StatementError, Theorem

_COLLECTIONS = ("theorems.koloskova2023", "theorems.zhang2020", "theorems.sharp", "theorems.planted")


class CatalogueError(ValueError):
    """A theorem file or name is no good: one line saying what and where."""


@cache
def load_catalogue() -> dict[str, Theorem]:
    """All statements of the repository by name, in the order of their files.

    Raises:
        CatalogueError: if two statements share a name.
    """
    found: list[Theorem] = []
    for collection in _COLLECTIONS:
        package = importlib.import_module(collection)
        for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
            found += _statements(vars(importlib.import_module(f"{collection}.{module.name}")), None)
    return _by_name(found)


def load_file(path: str | Path) -> list[Theorem]:
    """The statements that a Python file defines.

    Raises:
        CatalogueError: one line, for a missing file, a syntax error, any exception while it runs, a file that defines
            no statement, or a name used twice in it.
        StatementError: one line, for a malformed statement.
    """
    file = Path(path)
    if not file.is_file():
        raise CatalogueError(f"{path}: no such file")
    try:
        names = runpy.run_path(str(file), run_name="clipbounds_statement")
    except StatementError:
        raise
    except SyntaxError as error:
        raise CatalogueError(f"{error.filename}:{error.lineno}: syntax error: {error.msg}") from None
    except (Exception, SystemExit) as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
        at = f"{file}:{lines[-1]}" if lines else str(file)
        message = " ".join(str(error).split())
        raise CatalogueError(f"{at}: {type(error).__name__}: {message}") from None
    found = _statements(names, str(file))
    if not found:
        raise CatalogueError(f"{file}: defines no Theorem")
    _by_name(found)
    return found


def select(targets: Iterable[str]) -> list[Theorem]:
    """The statements for command-line words, each a name of the catalogue or a path ending in ``.py``; all if none.

    Raises:
        CatalogueError, StatementError: as :func:`load_file`; also for an unknown name, with near ones.
    """
    import difflib

    catalogue = load_catalogue()
    chosen: list[Theorem] = []
    for target in targets:
        if target.endswith(".py"):
            for theorem in load_file(target):
                if theorem.name in catalogue:
                    file, line = theorem.defined
                    raise CatalogueError(
                        f"{file}:{line}: theorem {theorem.name!r}: field 'name': the catalogue has one of that name"
                    )
                chosen.append(theorem)
        elif target in catalogue:
            chosen.append(catalogue[target])
        else:
            near = difflib.get_close_matches(target, catalogue, n=3)
            hint = f"; near: {', '.join(near)}" if near else ""
            raise CatalogueError(f"{target}: neither a statement of the catalogue nor a .py file{hint}")
    if not chosen:
        return list(catalogue.values())
    unique = {id(t): t for t in chosen}
    return list(_by_name(list(unique.values())).values())


def _statements(names: dict[str, object], file: str | None) -> list[Theorem]:
    """The Theorem objects of a module, each once; those of a file exclude what it imported from the catalogue."""
    found: dict[int, Theorem] = {}
    for value in names.values():
        group = value if isinstance(value, list | tuple) else [value]
        for theorem in group:
            if isinstance(theorem, Theorem):
                here = file or str(names.get("__file__", ""))
                if Path(theorem.defined[0]).resolve() == Path(here).resolve():
                    found[id(theorem)] = theorem
    return list(found.values())


def _by_name(theorems: list[Theorem]) -> dict[str, Theorem]:
    result: dict[str, Theorem] = {}
    for theorem in theorems:
        if theorem.name in result:
            (file, line), (first, first_line) = theorem.defined, result[theorem.name].defined
            raise CatalogueError(
                f"{file}:{line}: theorem {theorem.name!r}: field 'name': already used at {first}:{first_line}"
            )
        result[theorem.name] = theorem
    return result
