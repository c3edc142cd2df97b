from __future__ import annotations

import enum
from hashlib import sha256
from typing import Any, cast

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from app.trail.canonical import (
    MAX_DEPTH,
    MAX_INTEGER,
    CanonicalError,
    Json,
    code,
    decode,
    decode_object,
    encode,
    sha,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(max_codepoint=0x7F), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
ALL_CONTROLS = "".join(map(chr, range(0x20))) + '"\\/\x7f\x80\x9f\u2028\u2029\ufeff\ufffd\uffff\U0001f600\U0010ffff'


@given(VALUES)
@example(ALL_CONTROLS)
@example({ALL_CONTROLS[:0x23]: 1, "": 2, "\x7f": 3, "aa": 4, "a": 5, "A": 6, "a\x00": 7})
def test_encoding_is_that_of_rfc_8785(value: Json) -> None:
    assert encode(value) == rfc8785.dumps(cast("Any", value))


@given(VALUES)
def test_what_is_encoded_decodes_to_the_same_value(value: Json) -> None:
    assert decode(encode(value)) == value


@given(
    st.binary(max_size=200) | st.text(st.sampled_from('{}[]",:\\u0019eE+-. \ttruefalsn'), max_size=30).map(str.encode)
)
def test_decoding_gives_a_canonical_value_or_its_one_error(data: bytes) -> None:
    try:
        value = decode(data)
    except CanonicalError:
        return
    assert encode(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b"{} ",
        b" {}",
        b"{}\n",
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":1}',
        b'"\\u0061"',
        b'"\\/"',
        b'"\\u000a"',
        b'"\\u001F"',
        b'"\\u007f"',
        b'"\\ud83d\\ude00"',
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\xc0\xaf"',
        b'"\n"',
        b"1.0",
        b"1.5",
        b"1e3",
        b"-0",
        b"01",
        b"+1",
        b"9007199254740992",
        b"-9007199254740992",
        b"18446744073709551616",
        b"1" * 400,
        b"1e999",
        b"NaN",
        b"Infinity",
        b"[1,]",
        b"{}{}",
        b"nul",
        '{"ä":1}'.encode(),
        b"[" * 100_000,
        b"[" * 1000 + b"]" * 1000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    ],
)
def test_any_other_form_than_the_canonical_one_is_refused(data: bytes) -> None:
    with pytest.raises(CanonicalError):
        decode(data)


def test_the_bounds_themselves_are_accepted() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert encode(decode(deepest)) == deepest
    assert decode(b"9007199254740991") == MAX_INTEGER
    assert decode(b"-9007199254740991") == -MAX_INTEGER
    assert decode(b'"12"', limit=4) == "12"


def test_more_bytes_than_the_limit_are_refused_unread() -> None:
    with pytest.raises(CanonicalError):
        decode(b'"123"', limit=4)


class Word(enum.StrEnum):
    YES = "yes"


class Number(enum.IntEnum):
    ONE = 1


class Mixed(str, enum.Enum):  # noqa: UP042 -- what orjson would write as 1.5
    FLOAT = 1.5


def nested_in_itself() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        2**70,
        "\ud800",
        {"a": "\udfff"},
        {"ä": 1},
        {"\ud800": 1},
        {1: 1},
        {None: 1},
        {Word.YES: 1},
        b"bytes",
        (1, 2),
        {1},
        Ellipsis,
        Number.ONE,
        Mixed.FLOAT,
        [{1: 1}],
        nested_in_itself(),
        [1, [2, [3.0]]],
    ],
    ids=ascii,
)
def test_a_value_outside_the_subset_has_no_encoding(value: object) -> None:
    with pytest.raises(CanonicalError):
        encode(value)


def test_a_word_of_an_enumeration_is_its_string() -> None:
    assert encode([Word.YES]) == b'["yes"]'


def test_an_object_is_asked_for_and_nothing_else_taken() -> None:
    assert decode_object(b'{"a":1}') == {"a": 1}
    with pytest.raises(CanonicalError):
        decode_object(b"[]")


def test_hashes_are_written_with_their_algorithm() -> None:
    assert sha(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_codes_take_five_bits_a_character_from_the_first_bit() -> None:
    assert code(bytes(32), 8) == "AAAA-AAAA"
    assert code(b"\xff" * 32, 16) == "9999-9999-9999-9999"
    # 00000 00001 00010 00011 00100 11111 00000 10000
    assert code(int("0000000001000100001100100111110000010000", 2).to_bytes(5), 8) == "ABCD-E9AS"
    assert code(sha256(b"").digest(), 5) == "6Q2N-J"


@given(st.binary(min_size=10, max_size=10))
def test_a_code_can_be_read_back(digest: bytes) -> None:
    letters = code(digest, 16).replace("-", "")
    bits = "".join(f"{'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'.index(letter):05b}" for letter in letters)
    assert int(bits, 2).to_bytes(10) == digest


@pytest.mark.parametrize("chars", [0, -1, 9])
def test_a_code_longer_than_its_digest_is_no_code(chars: int) -> None:
    with pytest.raises(ValueError, match="too short"):
        code(bytes(5), chars)
