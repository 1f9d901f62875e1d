"""clipbounds with a window: ``python ci/watched.py PAGE campaign start ...`` is the command line, and the first byte of
the file PAGE says at every moment whether it writes. The page outlives a ``kill -9``: the killer sees where it struck.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OUTSIDE, TRANSACTION, COMMIT = 0, 1, 2
"""Nothing is being written; a transaction of another kind; a commit of shards."""


def page(file: Path) -> mmap.mmap:
    """The page, of one byte; made if it is missing."""
    if not file.exists():
        file.write_bytes(b"\0")
    with file.open("r+b") as opened:
        return mmap.mmap(opened.fileno(), 1)


def watch(file: Path) -> None:
    """From now on this process tells its page."""
    from harness.campaign.records import CampaignRecords
    from harness.store import Store

    seen = page(file)
    seen[0] = OUTSIDE

    @contextmanager
    def told(where: int) -> Iterator[None]:
        before, seen[0] = seen[0], max(seen[0], where)
        try:
            yield
        finally:
            seen[0] = before

    transaction, commit = Store.transaction, CampaignRecords.commit

    @contextmanager
    def watched_transaction(store: Store) -> Iterator[Any]:
        with told(TRANSACTION), transaction(store) as db:
            yield db

    def watched_commit(*arguments: Any) -> None:
        with told(COMMIT):
            commit(*arguments)

    Store.transaction = watched_transaction  # type: ignore[method-assign]
    CampaignRecords.commit = watched_commit  # type: ignore[method-assign]


def main() -> int:
    """Run the command line with a page."""
    from harness.cli import main as command_line

    watch(Path(sys.argv[1]))
    return command_line(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
