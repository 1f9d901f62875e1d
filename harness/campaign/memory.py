"""What a worker no longer needs goes back to the system, so that nights do not grow.

The C library keeps what is freed below the top of its heap, and Python's collector waits until a quarter of all objects
is new before it looks at old ones: with the half million objects of the libraries, hundreds of shards' rubbish. Both
are measured by ``ci/load_campaign.py``.
"""

from __future__ import annotations

import ctypes
import gc


def settle() -> None:
    """Once everything is loaded: leave it out of every collection to come, since it stays."""
    gc.collect()
    gc.freeze()


def give_back() -> bool:
    """Between two shards: collect what points at itself in circles, and return free pages; whether there were any.

    Where the C library is not that of GNU, it has its own ways.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
