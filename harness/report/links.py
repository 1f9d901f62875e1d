"""Where pages lie beside one another: in the folder of one report, or on a site of many.

Names of statements are checked before they reach a record (letters, digits, ``_`` and ``-``), and so are the names of
findings' folders; a query's path is the record's own and is checked here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_QUERY = re.compile(r"queries/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+\.smt2")


@dataclass(frozen=True)
class Links:
    """Addresses as seen from one page.

    Args:
        up: the way to the top: ``""``, ``"../"`` or ``"../../"``.
        campaign: on a site, the campaign whose queries are meant; None in a report.
    """

    up: str = ""
    campaign: str | None = None

    @property
    def home(self) -> str:
        """The table of all statements."""
        return f"{self.up}index.html"

    @property
    def meeting(self) -> str:
        """Where upper and lower bound meet."""
        return f"{self.up}meeting.html"

    def statement(self, name: str) -> str:
        """A statement's page."""
        return f"{self.up}{'theorems' if self.campaign is None else 'statements'}/{name}.html"

    def finding(self, folder: str) -> str:
        """A finding's page; on a site its address is its id alone."""
        if self.campaign is None:
            return f"{self.up}findings/{folder}/finding.html"
        return f"{self.up}findings/{folder.rpartition('-')[2]}/index.html"

    def query(self, path: str) -> str:
        """An SMT-LIB file.

        Raises:
            ValueError: for a path that leaves its folder.
        """
        if not _QUERY.fullmatch(path):
            raise ValueError(f"{path!r} is no path of a query")
        return f"{self.up}{path}" if self.campaign is None else f"{self.up}campaigns/{self.campaign}/{path}"
