"""Tables for spreadsheets, in which a cell of a stranger's text is never taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def csv_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """CSV text with lines that end in ``\\r\\n``, every cell made safe by :func:`cell`."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(head)
    writer.writerows([cell(text) for text in row] for row in rows)
    return buffer.getvalue()


def cell(text: str) -> str:
    """Text that a spreadsheet shows and does not run: an apostrophe goes before what may be read as a formula.

    Control characters become spaces; a plain number stays one.
    """
    plain = "".join(ch if ch.isprintable() else " " for ch in text)
    if (text.startswith(_FORMULA) or plain.lstrip().startswith(_FORMULA)) and not _number(plain):
        return f"'{plain}"
    return plain


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    # No "nan" or "inf", and no plus sign: only what we write ourselves.
    return text.lstrip("-")[:1].isdigit()
