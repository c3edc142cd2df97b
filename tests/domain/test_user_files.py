"""Files of users: pieces of any size, broken rows by line, nothing of what cannot be read, memory that stays."""

from __future__ import annotations

import csv
import io
import json
import random
import tracemalloc
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.rows_of_text import Unreadable
from app.domain.scan import Extract, User, judge_user, read_extracts
from app.domain.user_csv import CsvReader
from app.domain.user_file import COLUMNS, Reading
from app.domain.user_json import JsonReader, read_user
from tests.counts import times

HEAD = ",".join(COLUMNS)
IMPL = 'exl_impl,,,"Staff, Ex Libris",STAFF,INTERNAL,ACTIVE,'
STRAY = 'X1,Support,Ex Libris,"Ex Libris, Support",STAFF,INTERNAL,ACTIVE,Cataloger;Patron'


def read(source: str, data: bytes, size: int = 1 << 16) -> Extract:
    reading = Reading(source, JsonReader() if source == "json" else CsvReader())
    for start in range(0, len(data), size):
        reading.feed(data[start : start + size])
    return reading.finish("alma-production")


def test_users_who_matter_are_kept_and_broken_rows_told_by_line() -> None:
    lines = [
        HEAD,
        IMPL,
        "u1,A,B,A B,PUBLIC,INTERNAL,ACTIVE,",
        "u2,too,few",
        ",no,id,,,,,",
        STRAY,
        '"u3,A,B',
        "u4,,,,,,,",
    ]
    extract = read("csv", ("\r\n".join(lines) + "\r\n").encode())
    assert (extract.users, extract.broken, extract.lines) == (4, 3, (4, 5, 7))
    assert [user.primary_id for user in extract.seen] == ["exl_impl", "X1"]
    assert extract.seen[1].roles == ("Cataloger", "Patron")


def test_columns_may_stand_in_any_order_and_among_others() -> None:
    data = "note,roles,status,account_type,record_type,full_name,last_name,first_name,primary_id\n"
    extract = read("csv", (data + 'x,,INACTIVE,,,"Support, Ex Libris",,,EXL_SUPPORT\n').encode())
    assert extract.seen == (User("EXL_SUPPORT", full_name="Support, Ex Libris", status="INACTIVE"),)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", HEAD.encode(), b"primary_id,first_name\nu1,A\n", b"\x00" * 200_000,
        b"<?xml version='1.0'?><users/>",
        b"PK\x03\x04" + bytes(range(256)) * 500, HEAD.upper().replace("STATUS", "STATE").encode() + b"\nu1,,,,,,,\n",
        b"a" * 3_000_000,
    ],
)  # fmt: skip
def test_what_is_no_list_of_users_is_not_read(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read("csv", data)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[", b"[]", b"{}", b'{"users":[]}', b'{"users":[{"primary_id":"a"}',
        b'{"users":[{"primary_id":"a"}]',
        b'{"users":[{"primary_id":"a"}]}x', b'{"users":[{"primary_id":"a"},]}', b'{"users":[{"primary_id":"a"} {}]}',
        b'{"users":[{"primary_id":"a"}],"users":[]}', b'{"users":[NaN]}', b'{"user":{"primary_id":"a"}}', b"[1,2",
        b'{"user":[{"primary_id":"a"}],"total_record_count":2}', b'{"users":[' + b"[" * 100_000, b"\xff\xfe[\x00]\x00",
        b'{"users":[{"primary_id":"a","x":"' + b"y" * 200_000 + b'"}]}', b"<users><user/></users>", b"null", b"1",
        b'{"users":[' + b"9" * 10_000 + b"]}", b'{"users":[{"primary_id":"\xe4"}]}', "ü".encode("latin-1"),
    ],
)  # fmt: skip
def test_what_is_no_whole_json_of_users_is_not_read(data: bytes) -> None:
    for size in (1 << 16, 7):
        with pytest.raises(Unreadable):
            read("json", data, size)


def test_a_wrong_encoding_spoils_its_rows_and_no_others() -> None:
    data = f"{HEAD}\nu1,J\xfcrgen,M,,,,,\nu2,Anna,M,,,,,\nexl_impl,,,Ex Libris Staff,,,,\n".encode("latin-1")
    extract = read("csv", data)
    assert (extract.users, extract.lines, len(extract.seen)) == (2, (2,), 1)
    assert read("csv", (f"\ufeff{HEAD}\nexl_api,,,Ü,,,,\n").encode("utf-16-le")).users == 1


def test_formulas_and_markup_are_text() -> None:
    hostile = '"=HYPERLINK(""http://x"")","@SUM(1)",Ex Libris,"<script>alert(1)</script>",,,ACTIVE,"+1;-2"'
    extract = read("csv", f"{HEAD}\n{hostile}\n".encode())
    assert extract.seen[0].primary_id == '=HYPERLINK("http://x")'
    assert extract.seen[0].full_name == "<script>alert(1)</script>"


def alma(user: Mapping[str, object]) -> dict[str, object]:
    return {
        "primary_id": "X1", "first_name": "Ex", "last_name": "Libris", "full_name": "Ex Libris",
        "status": {"value": "ACTIVE", "desc": "Active"}, "record_type": {"value": "STAFF", "desc": "Staff"},
        "user_role": [
            {"status": {"value": "ACTIVE"}, "role_type": {"value": "50", "desc": "Cataloger"}, "parameter": []},
            {"status": {"value": "INACTIVE"}, "role_type": {"value": "51", "desc": "Old"}},
            {"status": {"value": "ACTIVE"}, "role_type": {"value": "21"}}, 7,
        ],
        **user,
    }  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 16])
def test_json_of_alma_and_ours_is_read_in_pieces_of_any_size(size: int) -> None:
    other = {"primary_id": "u3", "first_name": "A", "full_name": "", "last_name": None}
    users = [alma({}), {"primary_id": " "}, 5, alma({"primary_id": "x2", "full_name": 3}), alma(other)]
    for value in ({"user": users, "total_record_count": 5}, {"environment": "a", "users": users}, users):
        extract = read("json", json.dumps(value, indent=1).encode(), size)
        assert (extract.users, extract.broken, extract.lines) == (2, 3, (2, 3, 4))
        assert extract.seen[0].roles == ("Cataloger", "21", "unreadable role")


CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@settings(max_examples=times(60, 1000))
@given(st.lists(st.tuples(*[CELLS] * 8), min_size=1, max_size=12), st.integers(1, 40), st.booleans())
def test_rows_are_as_the_standard_library_reads_them(rows: list[tuple[str, ...]], size: int, quoted: bool) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerow(COLUMNS)
    kept = [("exl_impl", *row[1:]) for row in rows]
    writer.writerows(kept)
    clean = [row for row in kept if "\ufffd" not in "".join(row)]
    if not clean:
        return
    extract = read("csv", text.getvalue().encode(), size)
    assert [user.full_name for user in extract.seen] == [row[3].strip() for row in clean]


def _rows(count: int) -> Iterator[bytes]:
    chance = random.Random(8)
    yield f"{HEAD}\n".encode()
    for place in range(count):
        name = chance.choice(("Alexander", "Maria", "Jürgen", "Ana"))
        yield f'u{place:07},{name},Meier,"Meier, {name}",PUBLIC,EXTERNAL,ACTIVE,Patron\n'.encode()


def _users(count: int) -> Iterator[bytes]:
    yield b'{"users": ['
    for place in range(count):
        user = alma(
            {"primary_id": f"u{place:07}", "first_name": "Maria", "last_name": "Meier", "full_name": "Maria Meier"}
        )
        yield (b", " if place else b"") + json.dumps(user).encode()
    yield b"]}"


@pytest.mark.timeout(1800)  # a million users, each allocation traced
@pytest.mark.parametrize("source,made", [("csv", _rows), ("json", _users)])
def test_memory_does_not_grow_with_the_file(source: str, made: object) -> None:
    assert callable(made)
    reading = Reading(source, JsonReader() if source == "json" else CsvReader())
    count = times(20_000, 1_000_000)
    tracemalloc.start()
    try:
        pieces, block = made(count), bytearray()
        for piece in pieces:
            block += piece
            if len(block) > 1 << 16:
                reading.feed(bytes(block))
                block.clear()
        reading.feed(bytes(block))
        extract = reading.finish("alma-production")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (extract.users, extract.broken) == (count, 0)
    assert peak < 4 << 20


@pytest.mark.parametrize(
    "role,kept",
    [
        ({"role_type": {"value": "200", "desc": "Patron"}}, ("Patron",)),
        ({"role_type": {"value": "21", "desc": "Patron"}}, ("Patron (21)",)),
        ({"role_type": {"desc": "Patron"}}, ("Patron",)),
        ({"role_type": {"value": "200"}}, ("200",)),
        ({"status": {"value": "INACTIVE"}, "role_type": {"value": "21", "desc": "Admin"}}, ()),
        ({"status": {"value": "SUSPENDED"}, "role_type": {"value": "21", "desc": "Admin"}}, ("Admin",)),
        ({"role_type": {"value": ["21"]}}, ("unreadable role",)),
        (None, ("unreadable role",)),
    ],
)
def test_a_role_is_told_by_its_type_and_is_in_force_unless_it_says_that_it_is_not(
    role: object, kept: tuple[str, ...]
) -> None:
    value = {"primary_id": "exl_api", "full_name": "API, Ex Libris", "user_role": [role]}
    user = read_user(value)
    assert user is not None
    assert user.roles == kept
    assert (judge_user(user) is None) == (set(kept) <= {"Patron", "200"})


def test_more_vendors_users_than_a_mistake_can_be_are_refused() -> None:
    rows = "".join(f"u{n},Ex,Libris,,,,,\n" for n in range(1_001))
    with pytest.raises(Unreadable, match="no list of users"):
        read("csv", f"{HEAD}\n{rows}".encode())


def test_what_is_kept_is_read_back_in_parts() -> None:
    rows = "".join(f"u{n},Ex,Libris,{'é' * 900},,,,\n" for n in range(900))
    extract = read("csv", f"{HEAD}\n{rows}".encode())
    parts = [json.dumps(part, ensure_ascii=False).encode() for part in extract.parts()]
    assert len(parts) > 1
    assert max(map(len, parts)) < 1_500_000
    assert read_extracts(parts) == extract
