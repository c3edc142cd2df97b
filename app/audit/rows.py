"""Derived views: a trail as rows for other programs to read, JSON Lines or CSV (RFC 4180), one entry a row; Parquet
is a room of its own (`parquet.py`).

A row loses nothing: it carries the entry's index and leaf hash, and all ten fields of the entry, so that the leaf can
be made again from it and hashed; and the private part, where whoever exports may see it. The last row is an end marker,
so that a stream that broke is seen. Views are for reading: what proves is the bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from app.trail.hashing import leaf_hash

COLUMNS = (
    *("index", "leaf_hash", "at", "type", "subject", "actor_kind", "actor_id", "institution", "id", "data"),
    *("private", "private_hash", "v"),
)
_DATA = COLUMNS.index("data")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")

Row = tuple[int, bytes, bytes | None]
"""Index, leaf, and private part (null where there is none, or it is not shown)."""


@dataclass(frozen=True, slots=True)
class End:
    """What the end marker says: how many entries came, of which range and request, with private parts or without."""

    entries: int
    start: int
    stop: int
    request: str | None
    with_private: bool

    def to_json(self) -> bytes:
        """The marker's object."""
        told = {"end": True, "entries": self.entries, "from": self.start, "to": self.stop}
        return orjson.dumps(told | {"request": self.request, "with_private": self.with_private})


@dataclass(frozen=True, slots=True)
class Form:
    """How a view is written: its head, a row, its end. Rows of one trail in order make the whole."""

    media_type: str
    head: bytes
    row: Callable[[int, bytes, bytes | None], bytes]
    end: Callable[[End], bytes]

    def rows(self, rows: Sequence[Row]) -> bytes:
        """These rows, one after the other."""
        return b"".join(self.row(*each) for each in rows)


def _json_row(index: int, leaf: bytes, private: bytes | None) -> bytes:
    parts = (index, leaf_hash(leaf).hex().encode(), leaf, private or b"null")
    return b'{"index":%d,"leaf_hash":"%b","entry":%b,"private":%b}\n' % parts


def _json_end(end: End) -> bytes:
    return end.to_json() + b"\n"


def _csv_row(index: int, leaf: bytes, private: bytes | None) -> bytes:
    entry = orjson.loads(leaf)
    actor = entry["actor"]
    cells = [
        str(index), leaf_hash(leaf).hex(), entry["at"], entry["type"], entry["subject"], actor["kind"], actor["id"],
        entry["institution"], entry["id"], _json_cell(orjson.dumps(entry["data"])),
        "" if private is None else _json_cell(private), entry.get("private", ""), str(entry["v"]),
    ]  # fmt: skip
    return csv_line(cells)


def _csv_end(end: End) -> bytes:
    cells = [""] * len(COLUMNS)
    cells[0], cells[_DATA] = "end", _json_cell(end.to_json())
    return csv_line(cells)


def csv_line(cells: Iterable[str]) -> bytes:
    """A line of CSV, every cell in quotes and none of them a formula."""
    return (",".join('"' + neutral(cell).replace('"', '""') + '"' for cell in cells) + "\r\n").encode()


def neutral(cell: str) -> str:
    """The cell with `'` before it where a spreadsheet would take it for a formula, or where it begins so by itself."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _json_cell(text: bytes) -> str:
    """JSON as a cell. A semicolon, which parts cells in some locales, is written as its escape."""
    return text.decode().replace(";", "\\u003b")


class View(Protocol):
    """An export of rows on its way: its head, rows in order as they come, its end; each gives bytes to pass on."""

    @property
    def media_type(self) -> str:
        """What the whole is."""

    @property
    def head(self) -> bytes:
        """What it begins with."""

    def rows(self, rows: Sequence[Row]) -> bytes:
        """These come next."""

    @property
    def end(self) -> Callable[[End], bytes]:
        """What it ends with."""


FORMS: Mapping[str, Form] = {
    "jsonl": Form("application/x-ndjson", b"", _json_row, _json_end),
    "csv": Form("text/csv; charset=utf-8; header=present", csv_line(COLUMNS), _csv_row, _csv_end),
}
