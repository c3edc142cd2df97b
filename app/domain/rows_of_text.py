"""Rows of delimited text (RFC 4180), read from pieces of bytes as they come, at a memory that does not grow with them.

A row that cannot be read is told with the number of its line, and reading goes on at the next line. What holds no such
text at all raises `Unreadable`. The text is UTF-8, or what its byte order mark says (Alma Analytics writes UTF-16);
bytes that are not of it become lone surrogates or U+FFFD in their field, and spoil nothing else.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

MAX_LINE = 1 << 16
"""Characters of one row."""
MAX_LINES = 32
"""Lines of one row: a quotation mark that is never closed swallows no more than these."""
MAX_HEADING = 20
"""Lines among which the one that names the columns is looked for; exports have titles above it."""
MAX_TOLD = 100
"""Broken rows that are told; the others are counted."""

_DELIMITERS = (",", "\t", ";")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "surrogateescape"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "replace"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "replace"),
)
_LONGEST_MARK = 3


class Unreadable(ValueError):
    """There are no rows of delimited text with the columns wanted; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that could not be used: the number of its first line, from 1, and why."""

    line: int
    why: str


@dataclass(slots=True)
class Faults:
    """The rows that could not be used: the first `MAX_TOLD`, and how many there are."""

    told: list[Broken] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, why: str) -> None:
        """One more."""
        self.count += 1
        if len(self.told) < MAX_TOLD:
            self.told.append(Broken(line, why))


Row = tuple[int, list[str]]
"""The number of a row's first line, and its fields."""
Columns = Callable[[Sequence[str]], bool]
"""Whether a row names the columns; called with each row of the heading until it does."""


class Reader:
    """Feed it pieces, and `finish`; it yields rows below the one that `columns` took for the heading."""

    def __init__(self, columns: Columns) -> None:
        self.faults = Faults()
        self._columns = columns
        self._delimiter: str | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._first = b""
        self._text = ""
        self._lines: list[str] = []  # of a row that is not whole yet
        self._line = 1  # the number of the first of them, or of what comes next
        self._skipping = False  # inside a line that is too long

    def feed(self, piece: bytes) -> Iterator[Row]:
        """The rows that this piece completes. Raises `Unreadable`."""
        text = self._decode(piece, final=False)
        if text:
            lines = (self._text + text).split("\n")
            self._text = lines.pop()
            yield from self._rows(lines, final=False)
            self._bound()

    def finish(self) -> Iterator[Row]:
        """The rows that the end completes. Raises `Unreadable`."""
        rest = self._text + self._decode(b"", final=True)
        self._text = ""
        yield from self._rows(rest.split("\n") if rest else [], final=True)
        if self._delimiter is None:
            raise Unreadable("no line names the columns that are wanted")

    def _decode(self, piece: bytes, *, final: bool) -> str:
        if self._decoder is None:
            self._first += piece
            if len(self._first) < _LONGEST_MARK and not final:
                return ""
            mark, encoding, errors = next(
                (known for known in _MARKS if self._first.startswith(known[0])), (b"", "utf-8", "surrogateescape")
            )
            self._decoder = codecs.getincrementaldecoder(encoding)(errors)
            piece, self._first = self._first[len(mark) :], b""
        return self._decoder.decode(piece, final)

    def _bound(self) -> None:
        """Let go of what grows without ever ending."""
        if len(self._text) > MAX_LINE:
            if self._delimiter is None:
                raise Unreadable("its first lines are too long for rows of text")
            if not self._skipping:
                self.faults.add(self._line + len(self._lines), "longer than 65,536 characters")
            self._text, self._skipping = "", True

    def _rows(self, lines: list[str], *, final: bool) -> Iterator[Row]:
        if self._skipping and lines:
            lines, self._skipping = lines[1:], False
            self._line += len(self._lines) + 1
            self._lines = []
        lines = self._lines + lines
        start = 0
        while self._delimiter is None and start < len(lines):
            self._head(lines[start])
            start += 1
            self._line += 1
        while self._delimiter is not None and start < len(lines):
            done = yield from self._read(lines[start:], self._delimiter, final=final)
            start += done
            if not done:
                break
        self._lines = lines[start:]

    def _head(self, line: str) -> None:
        for delimiter in _DELIMITERS:
            try:
                names = next(csv.reader([line], delimiter=delimiter, strict=True), [])
            except csv.Error:
                continue
            if self._columns(names):
                self._delimiter = delimiter
                return
        if self._line >= MAX_HEADING:
            raise Unreadable("none of its first lines names the columns that are wanted")

    def _read(self, lines: list[str], delimiter: str, *, final: bool) -> Generator[Row, None, int]:
        """Yield rows up to the first that is broken, or not whole yet; return how many lines are done with."""
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        first, done = self._line, 0
        try:
            for row in reader:
                if row:
                    yield first + done, row
                done = reader.line_num
        except csv.Error as error:
            open_quote = reader.line_num == len(lines)
            waits = open_quote and not final and "unexpected end" in str(error) and _bounded(lines[done:])
            self._line = first + done
            if waits:
                return done
            self.faults.add(self._line, _why(str(error)))
            self._line += 1
            return done + 1
        self._line = first + done
        return done


def _bounded(lines: Sequence[str]) -> bool:
    return len(lines) <= MAX_LINES and sum(map(len, lines)) <= MAX_LINE


def _why(error: str) -> str:
    return "its quotation marks do not close" if "end of data" in error else "it is no row of delimited text"
