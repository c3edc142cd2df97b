"""JSON as a verifier reads it: what orjson reads quickly is what the standard library reads strictly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.identity.strict_json import strict_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.booleans(), st.booleans())
def test_every_spelling_of_a_value_reads_as_that_value(value: object, escaped: bool, spaced: bool) -> None:
    separators = None if spaced else (",", ":")
    text = json.dumps(value, ensure_ascii=escaped, separators=separators)
    assert repr(strict_json(text.encode())) == repr(value)


@pytest.mark.parametrize(
    "text",
    [
        *(b'{"a":1,"a":1}', b'{"a":1,"a":2}', b'{"b":{"a":1,"a":1}}', b'{"a":1,"\\u0061":1}', b'[{"a":null,"a":null}]'),
        *(
            b"NaN",
            b"[Infinity]",
            b"-Infinity",
            b'"\\ud800"',
            b'["\\udc00"]',
            b'{"\\ud800":1}',
            b"\xff",
            b'"\xed\xa0\x80"',
        ),
        *(b"", b" ", b"[1", b"[1] 2", b"\xef\xbb\xbf1", b"{'a':1}", b"01", b"[" * 100_000, b'{"a":' * 100_000),
    ],
)
def test_what_is_said_twice_or_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        strict_json(text)
