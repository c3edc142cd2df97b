"""Times as people of an institution read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from app.domain.window import Span
from app.web.text import safe_link, shown
from app.web.times import Times, country, length

VIENNA = Times(ZoneInfo("Europe/Vienna"), datetime(2026, 11, 17, 11, 26, tzinfo=UTC))
NOON = datetime(2026, 11, 17, 13, tzinfo=UTC)


def test_days_near_by_have_names() -> None:
    assert VIENNA.moment(NOON, first=True) == Markup(
        '<time datetime="2026-11-17T13:00:00Z" dir="auto">Today, 14:00 CET</time>'
    )
    assert ">tomorrow, 14:00 CET<" in VIENNA.moment(NOON + timedelta(days=1))
    assert ">Thu 19 Nov, 14:00 CET<" in VIENNA.moment(NOON + timedelta(days=2))
    assert ">Thu 14 Jan 2027, 14:00 CET<" in VIENNA.moment(NOON + timedelta(days=58))
    assert ">20:00 today<" in VIENNA.by(NOON + timedelta(hours=6))


def test_spans_say_day_and_zone_once() -> None:
    span = Span(NOON, NOON + timedelta(hours=8))
    assert VIENNA.span(span).striptags() == "today, 14:00 to 22:00 CET"
    assert VIENNA.span(span, first=True, dated=True).striptags() == "Tue 17 Nov 2026, 14:00 to 22:00 CET"
    assert VIENNA.in_utc(span).striptags() == "13:00 to 21:00"
    longer = Span(NOON, NOON + timedelta(hours=30))
    assert VIENNA.span(longer).striptags() == "today, 14:00 to tomorrow, 20:00 CET"


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    span = Span(datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC))
    assert VIENNA.span(span).striptags() == "Sun 25 Oct, 02:00 CEST to 03:00 CET"
    labels = [VIENNA.slot(span.start + n * timedelta(minutes=30), span) for n in range(5)]
    assert labels == ["02:00 CEST", "02:30 CEST", "02:00 CET", "02:30 CET", "03:00 CET"]


def test_a_zone_without_letters_shows_its_offset() -> None:
    kathmandu = Times(ZoneInfo("Asia/Kathmandu"), NOON)
    assert kathmandu.label(NOON) == "18:45 UTC+5:45"
    assert kathmandu.title == "Nepal Time (UTC+5:45)"


@pytest.mark.parametrize("minutes, words", [(15, "15 minutes"), (60, "1 hour"), (1530, "1 day 1 hour 30 minutes")])
def test_lengths_in_words(minutes: int, words: str) -> None:
    assert length(minutes) == words


def test_countries_by_name_and_unknown_ones_as_they_came() -> None:
    assert (country("IE"), country("XQ"), country(None)) == ("Ireland", "XQ", None)


@given(st.text())
def test_shown_text_cannot_leave_its_place(text: str) -> None:
    assert not set(shown(text)) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00\x1b\u2028\r")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "http://support.vendor.example/",
        "https://user:secret@support.vendor.example/",
        "https://support.vendor.example/\u202e",
        "https://support.vendor.example/ x",
        "https:///nowhere",
        "//evil.example",
        "https://[",
        "",
    ],
)
def test_only_plain_https_becomes_a_link(url: str) -> None:
    assert safe_link(url) is None
    assert safe_link("https://support.vendor.example/cases/1") == "https://support.vendor.example/cases/1"
