"""Tables of a store as CSV or JSON lines, for analysts."""

from __future__ import annotations

import csv
import json
from typing import Any, TextIO

from harness.store.file import Store, StoreError
from harness.store.schema import TABLES

FORMATS = ("csv", "jsonl")
_JSON_COLUMNS = {"statement", "proof", "best", "coverage", "problem", "finding", "versions", "hardware"}
# A spreadsheet runs a cell that begins so.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def export(store: Store, table: str, form: str, out: TextIO) -> int:
    """Write one table, row by row; returns the number of rows.

    Args:
        store: open.
        table: one of :data:`harness.store.schema.TABLES`.
        form: ``"csv"``, texts that a spreadsheet would run led by an apostrophe, or ``"jsonl"``, JSON columns opened.
        out: a text file that does not translate line ends.

    Raises:
        StoreError: one line, for an unknown table or form.
    """
    if table not in TABLES:
        raise StoreError(f"option '--table': must be one of {', '.join(TABLES)}, not {table!r}")
    if form not in FORMATS:
        raise StoreError(f"option '--format': must be csv or jsonl, not {form!r}")
    with store.told():
        cursor = store.connection.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        count = 0
        writer = csv.writer(out, lineterminator="\r\n")
        if form == "csv":
            writer.writerow(names)
        for row in cursor:
            count += 1
            if form == "csv":
                writer.writerow([_cell(value) for value in row])
            else:
                entry = {name: _opened(name, value) for name, value in zip(names, row, strict=True)}
                out.write(json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n")
    return count


def _cell(value: Any) -> Any:
    """Numbers stay numbers; only a text can be a formula."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value


def _opened(name: str, value: Any) -> Any:
    return json.loads(value) if name in _JSON_COLUMNS and isinstance(value, str) else value
