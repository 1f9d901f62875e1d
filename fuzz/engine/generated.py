"""Generated modules, as files in a cache.

Files, and not strings, since compilers keep their results beside files or read the source from them: a process pays
seconds once per machine and version. A file's name is a hash of its content, and it is put in place by a rename, so
that processes may race.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType


def cache_directory() -> Path:
    """Where generated and compiled code is kept: ``$CLIPBOUNDS_CACHE``, else ``~/.cache/clipbounds``."""
    given = os.environ.get("CLIPBOUNDS_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "clipbounds"


@lru_cache(maxsize=8)
def load(text: str, version: str) -> ModuleType:
    """The module of this text, imported once; ``version`` is that of its compiler."""
    digest = hashlib.blake2b(f"{version}\n{text}".encode(), digest_size=12).hexdigest()
    folder = cache_directory() / "engine" / digest
    path = folder / f"kernels_{digest}.py"
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            # A home that cannot be written to costs a compilation per process.
            folder = Path(tempfile.mkdtemp(prefix="clipbounds-"))
            path = folder / path.name
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # Atomic, and the same content whoever wins.
        os.replace(temporary, path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load the generated module {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
