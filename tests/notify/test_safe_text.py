from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from app.notify import safe_text

anything = st.text(st.characters(), max_size=400)


@given(anything)
def test_prose_is_bounded_and_without_what_could_act(text: str) -> None:
    safe = safe_text.prose(text, 50)
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069]|://|www\.", safe
    )
    assert len(safe.replace("\u2060", "")) <= 50
    safe.encode()


@given(anything)
def test_a_line_is_one_line_and_stays_as_it_is_when_made_safe_again(text: str) -> None:
    safe = safe_text.line(text)
    assert safe.splitlines() == [safe] if safe else True
    assert safe_text.line(safe) == safe


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=100))
def test_ordinary_text_is_not_changed(text: str) -> None:
    assert safe_text.line(text).replace("\u2060", "") == " ".join(text.split())


def test_only_right_to_left_text_is_isolated() -> None:
    assert safe_text.isolate("Alma") == "Alma"
    assert safe_text.isolate("ספרייה") == "\u2068ספרייה\u2069"
