"""Users as delimited text with the contract's columns, in any order and among others; roles are split by `;`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.domain.accounts import ACCOUNTS
from app.domain.names import may_be_vendors
from app.domain.rows_of_text import Reader, Row
from app.domain.user_file import COLUMNS, Seen, is_clean, made


class CsvReader:
    """A file of users as rows of text."""

    def __init__(self) -> None:
        self._rows = Reader(self._columns)
        self.seen = Seen(self._rows.faults)
        self._places: tuple[int, ...] = ()
        self._width = 0

    def feed(self, piece: bytes) -> None:
        """The next piece."""
        self._read(self._rows.feed(piece))

    def finish(self) -> None:
        """The last line may end without a newline."""
        self._read(self._rows.finish())

    def _columns(self, names: Sequence[str]) -> bool:
        given = [name.strip().lower() for name in names]
        if any(given.count(name) != 1 for name in COLUMNS):
            return False
        self._places, self._width = tuple(given.index(name) for name in COLUMNS), len(given)
        return True

    def _read(self, rows: Iterator[Row]) -> None:
        seen, good = self.seen, 0
        for line, row in rows:
            the_id, first, last, full = self._places[:4]
            if len(row) != self._width:
                seen.faults.add(line, f"it has {len(row)} fields and not {self._width}")
                continue
            name = row[the_id].strip()
            whole = "".join(row)
            if not name:
                seen.faults.add(line, "it has no primary_id")
            elif not (whole.isascii() and whole.isprintable()) and not is_clean(whole):
                seen.faults.add(line, "it holds characters that are no text, or not in the file's encoding")
            else:
                good += 1
                if may_be_vendors(f"{row[full]} {row[last]} {row[first]}") or name.lower() in ACCOUNTS:
                    *texts, roles = (row[place] for place in self._places)
                    seen.take(made(texts, roles.split(";")))
        seen.users += good
