"""Rows of delimited text in pieces: what is good is read, what is broken told by its line, at constant memory."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.rows_of_text import MAX_LINE, MAX_LINES, Broken, Reader, Row, Unreadable


def named(names: Sequence[str]) -> bool:
    return [name.strip() for name in names] == ["a", "b"]


def read(data: bytes, size: int = 1 << 16) -> tuple[list[Row], list[Broken]]:
    reader = Reader(named)
    rows = [row for start in range(0, len(data), size) for row in reader.feed(data[start : start + size])]
    rows += reader.finish()
    return rows, reader.faults.told


fields = st.text(alphabet='ab,;"\t \né\u05d0\u202e', max_size=6)


@given(st.lists(st.tuples(fields, fields), max_size=12), st.integers(1, 40), st.sampled_from([",", ";", "\t"]))
def test_what_the_standard_library_wrote_is_read_in_pieces_of_any_size(
    rows: list[tuple[str, str]], size: int, delimiter: str
) -> None:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows([("a", "b"), *rows])
    found, broken = read(written.getvalue().encode(), size)
    assert [tuple(fields) for _, fields in found] == [tuple(text.replace("\n", "") for text in row) for row in rows]
    assert broken == []


@given(st.binary(max_size=400), st.integers(1, 40))
def test_no_bytes_are_anything_but_rows_broken_rows_or_unreadable(noise: bytes, size: int) -> None:
    found, broken = read(b"a,b\n1,2\n" + noise + b"\n", size)
    lines = [line for line, _ in found] + [each.line for each in broken]
    assert found[0] == (2, ["1", "2"])
    assert len(set(lines)) == len(lines)
    assert all(2 <= line <= noise.count(b"\n") + 4 for line in lines)
    with suppress(Unreadable):
        read(noise, size)


@given(st.binary(max_size=300), st.integers(1, 40))
def test_pieces_of_any_size_read_the_same(noise: bytes, size: int) -> None:
    assert read(b"a,b\n" + noise, size) == read(b"a,b\n" + noise)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_the_byte_order_mark_says_what_is_written(encoding: str, size: int) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    assert read(mark + "a\tb\r\nJos\u00e9\t\u05d0\r\n".encode(encoding), size) == ([(2, ["Jos\u00e9", "\u05d0"])], [])


def test_latin_1_spoils_its_own_field_alone() -> None:
    rows, broken = read("a,b\nJosé,1\nAnna,2\n".encode("latin-1"))
    assert [row[1] for _, row in rows] == ["1", "2"]
    assert broken == []


def test_broken_rows_are_told_by_their_line_and_the_rest_is_used() -> None:
    rows, broken = read(b'a,b\n1,2\n"x"y,3\n4,5\n"never closed,6\n7,8\n')
    assert rows == [(2, ["1", "2"]), (4, ["4", "5"]), (6, ["7", "8"])]
    assert [each.line for each in broken] == [3, 5]


def test_a_row_may_have_several_lines_but_a_quotation_mark_left_open_does_not_swallow_the_rest() -> None:
    rows, broken = read(b'a,b\n"x\ny",1\n"' + b"2,3\n" * (MAX_LINES + 4), size=16)
    assert rows[0] == (2, ["xy", "1"])
    assert [each.line for each in broken] == [4]
    assert [line for line, _ in rows[1:]] == list(range(5, MAX_LINES + 8))


def test_a_line_without_an_end_is_one_broken_row() -> None:
    rows, broken = read(b"a,b\n1,2\n" + b"x" * (3 * MAX_LINE) + b"\n3,4\n", size=1000)
    assert rows == [(2, ["1", "2"]), (4, ["3", "4"])]
    assert [each.line for each in broken] == [3]


def test_titles_above_the_names_are_skipped() -> None:
    assert read(b"Sign-ins\nby month\n\na;b\n1;2\n") == ([(5, ["1", "2"])], [])


BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
UNREADABLE = {
    "empty": b"",
    "only a mark": b"\xff\xfe",
    "other names": b"x,y\n1,2\n",
    "a zip": b"PK\x03\x04" + bytes(range(256)) * 400,
    "a bomb of entities": BOMB,
    "entities in lines": BOMB.replace(b">", b">\n"),
    "nothing but zeros": bytes(1 << 18),
    "one endless line": b"a" * (1 << 18),
    "json": b'{"records": []}',
    "utf-16 without its mark": "a,b\n1,2\n".encode("utf-16-le"),
    "utf-32": "a,b\n1,2\n".encode("utf-32"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_holds_no_such_rows_is_unreadable(name: str) -> None:
    with pytest.raises(Unreadable):
        read(UNREADABLE[name])


def endless(count: int) -> Iterator[bytes]:
    yield b"a,b\n"
    for n in range(count):
        yield b"".join(b"%d,%s\n" % (n, b"x" * 40) for _ in range(100))


def test_memory_does_not_grow_with_the_rows() -> None:
    peaks = []
    for count in (20, 400):
        tracemalloc.start()
        reader = Reader(named)
        rows = sum(1 for piece in endless(count) for _ in reader.feed(piece))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert rows == 100 * count
    assert peaks[1] < peaks[0] * 1.5
