"""Views of a trail lose nothing, and no cell of theirs is a formula."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.audit.rows import COLUMNS, FORMS, End, csv_line, neutral
from app.trail import canonical, log
from app.trail.hashing import leaf_hash

TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "'",
        "'=1",
        ';=HYPERLINK("http://x")',
        '"',
        '",=1',
        "\r\n=1",
        "\u2028",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
DATA = st.dictionaries(st.sampled_from(["reason", "n", "to", "about"]), VALUES, max_size=4)
PRIVATE = st.none() | st.dictionaries(st.sampled_from(["reason", "engineer_name"]), TEXTS, min_size=1)


def composed(data: dict[str, Any], private: dict[str, Any] | None) -> log.Composed:
    actor = {"kind": "person", "id": "per_1"}
    return log.compose(
        index=41, entry_id="evt_1", at="2026-11-22T09:51:16.123456Z", institution="01EXU_INST", type="some.type",
        subject="req_1", actor=actor, data=data, private_fields=private, salt="A" * 22,
    )  # fmt: skip


def read_csv(text: bytes) -> list[list[str]]:
    """Its rows as a program reads them; what was put before formulas is taken off again."""
    rows = csv.reader(io.StringIO(text.decode(), newline=""), strict=True)
    return [[cell.removeprefix("'") for cell in row] for row in rows]


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_cells_come_back_as_they_were_and_none_is_a_formula(cells: list[str]) -> None:
    line = csv_line(cells)
    assert read_csv(line) == [cells]
    raw = next(csv.reader(io.StringIO(line.decode(), newline="")))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in raw)


@pytest.mark.parametrize("begin", list("=+-@\t\r"))
def test_what_a_spreadsheet_would_run_is_text(begin: str) -> None:
    assert neutral(f"{begin}cmd|' /C calc'!A0") == f"'{begin}cmd|' /C calc'!A0"


@pytest.mark.parametrize("plain", ["", "a", "1", "2026-11-22", '{"a":"=1"}', " =1"])
def test_what_is_no_formula_stays_as_it_is(plain: str) -> None:
    assert neutral(plain) == plain


@given(DATA, PRIVATE)
@example({"reason": "a;=1+1;\\;"}, {"reason": "=1"})
def test_a_row_of_csv_loses_nothing(data: dict[str, Any], private: dict[str, Any] | None) -> None:
    made = composed(data, private)
    text = FORMS["csv"].head + FORMS["csv"].row(41, made.leaf, made.private)
    assert text.count(b"\r\n") == 2
    assert b";" not in text
    head, cells = read_csv(text)
    assert tuple(head) == COLUMNS
    row = dict(zip(head, cells, strict=True))
    entry = {name: row[name] for name in ("at", "type", "subject", "institution", "id")}
    whole = entry | {"index": int(row["index"]), "v": int(row["v"]), "data": json.loads(row["data"])}
    whole |= {"actor": {"kind": row["actor_kind"], "id": row["actor_id"]}}
    whole |= {"private": row["private_hash"]} if row["private_hash"] else {}
    assert canonical.encode(whole) == made.leaf
    assert row["leaf_hash"] == leaf_hash(made.leaf).hex() == made.leaf_hash.hex()
    if made.private is None:
        assert row["private"] == row["private_hash"] == ""
    else:
        assert canonical.sha(canonical.encode(json.loads(row["private"]))) == row["private_hash"]


@given(DATA, PRIVATE)
def test_a_line_of_json_holds_the_exact_bytes(data: dict[str, Any], private: dict[str, Any] | None) -> None:
    made = composed(data, private)
    line = FORMS["jsonl"].row(41, made.leaf, made.private)
    assert line.count(b"\n") == 1
    assert made.leaf in line
    row = json.loads(line)
    assert (row["index"], row["leaf_hash"]) == (41, made.leaf_hash.hex())
    assert canonical.encode(row["entry"]) == made.leaf
    assert row["private"] == (None if made.private is None else json.loads(made.private))


def test_both_forms_end_with_the_same_marker() -> None:
    end = End(entries=2, start=3, stop=5, request=None, with_private=False)
    told = {"end": True, "entries": 2, "from": 3, "to": 5, "request": None, "with_private": False}
    assert json.loads(FORMS["jsonl"].end(end)) == told
    (cells,) = read_csv(FORMS["csv"].end(end))
    assert (cells[0], json.loads(cells[COLUMNS.index("data")])) == ("end", told)
    assert len(cells) == len(COLUMNS)
