"""Windows against the naive definition: look at the wall clock minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.policy import DAYS, Blackout, Hours, Policy
from app.domain.window import (
    Span,
    allowed,
    cut,
    day_over,
    merge,
    outside_working_hours,
    subtract,
    within_blackouts,
    within_hours,
)
from tests.domain.worlds import MINUTE

# Whole hours, half an hour (Lord Howe), no change but odd minutes (Kathmandu), changes at midnight (Havana, Beirut),
# clocks set back in summer's name (Dublin), changes within weeks (Casablanca).
ZONES = [
    "Europe/Vienna",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Havana",
    "Asia/Beirut",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "America/Santiago",
]
CHANGES = {
    "Europe/Vienna": datetime(2026, 3, 29, 1, tzinfo=UTC),
    "America/New_York": datetime(2026, 11, 1, 6, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2026, 4, 4, 15, tzinfo=UTC),
    "America/Havana": datetime(2026, 11, 1, 5, tzinfo=UTC),
    "Asia/Beirut": datetime(2026, 3, 28, 22, tzinfo=UTC),
    "America/Santiago": datetime(2026, 4, 5, 3, tzinfo=UTC),
}
VIENNA = ZoneInfo("Europe/Vienna")

quarters = st.integers(0, 96)
hours_lists = st.lists(
    st.builds(
        lambda day, a, b: Hours(DAYS[day], min(a, b) * 15, max(a, b) * 15 if a != b else min(a, b) * 15 + 1),
        st.integers(0, 6),
        st.integers(0, 95),
        quarters,
    ),
    max_size=8,
).map(tuple)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, ZoneInfo]:
    """A window of minutes near a change of the zone's clock, or anywhere in the year."""
    name = draw(st.sampled_from(ZONES))
    near = CHANGES.get(name, datetime(2026, 6, 1, tzinfo=UTC))
    if draw(st.booleans()):
        near = datetime(2026, 1, 1, tzinfo=UTC) + draw(st.integers(0, 364)) * timedelta(days=1)
    start = near + draw(st.integers(-3000, 600)) * MINUTE
    return Span(start, start + draw(st.integers(1, 3000)) * MINUTE), ZoneInfo(name)


@st.composite
def blackout_lists(draw: st.DrawFn, span: Span) -> tuple[Blackout, ...]:
    day = span.start.replace(tzinfo=None)
    found = []
    for _ in range(draw(st.integers(0, 3))):
        begins = day + draw(st.integers(-1000, 3000)) * MINUTE
        ends = begins + draw(st.integers(1, 2000)) * MINUTE
        found.append(Blackout(begins.isoformat(timespec="minutes"), ends.isoformat(timespec="minutes")))
    return tuple(found)


def _minutes(span: Span) -> list[datetime]:
    return [span.start + n * MINUTE for n in range(span.length // MINUTE)]


def _naively_inside(at: datetime, hours: tuple[Hours, ...], zone: ZoneInfo) -> bool:
    wall = at.astimezone(zone)
    minute = wall.hour * 60 + wall.minute
    return not hours or any(DAYS[wall.weekday()] == entry.day and entry.start <= minute < entry.end for entry in hours)


def _naively_black(at: datetime, blackouts: tuple[Blackout, ...], zone: ZoneInfo) -> bool:
    wall = at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")
    return any(blackout.start <= wall < blackout.end for blackout in blackouts)


def _stretches(minutes: list[datetime]) -> list[Span]:
    return merge(Span(at, at + MINUTE) for at in minutes)


@given(spans(), hours_lists)
def test_weekly_hours_are_what_the_wall_clock_shows(where: tuple[Span, ZoneInfo], hours: tuple[Hours, ...]) -> None:
    span, zone = where
    naive = [at for at in _minutes(span) if _naively_inside(at, hours, zone)]
    assert within_hours(span, hours, zone) == _stretches(naive)
    assert outside_working_hours(span, Policy(working_hours=hours), zone) == (len(naive) < len(_minutes(span)))


@given(st.data())
def test_a_cut_is_the_first_stretch_that_policy_leaves(data: st.DataObject) -> None:
    span, zone = data.draw(spans())
    policy = Policy(
        access_hours=data.draw(hours_lists),
        blackouts=data.draw(blackout_lists(span)),
        max_window_minutes=data.draw(st.integers(15, 4320)),
    )
    naive = [
        at
        for at in _minutes(span)
        if at < span.start + policy.max_window_minutes * MINUTE
        and _naively_inside(at, policy.access_hours, zone)
        and not _naively_black(at, policy.blackouts, zone)
    ]
    first = next(iter(_stretches(naive)), None)
    assert cut(span, policy, zone, implementation=False) == first
    if first is not None:
        assert allowed(first, policy, zone) == [first]
        assert cut(first, policy, zone, implementation=False) == first


@given(spans(), st.data())
def test_blackouts_are_what_the_wall_clock_shows(where: tuple[Span, ZoneInfo], data: st.DataObject) -> None:
    span, zone = where
    blackouts = data.draw(blackout_lists(span))
    naive = [at for at in _minutes(span) if _naively_black(at, blackouts, zone)]
    assert within_blackouts(span, blackouts, zone) == _stretches(naive)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=6))
def test_subtraction_leaves_each_instant_outside_all_holes(holes: list[tuple[int, int]]) -> None:
    zero = datetime(2026, 1, 1, tzinfo=UTC)
    span = Span(zero + 10 * MINUTE, zero + 40 * MINUTE)
    cut_out = [Span(zero + a * MINUTE, zero + (a + length) * MINUTE) for a, length in holes]
    naive = [at for at in _minutes(span) if not any(at in hole for hole in cut_out)]
    assert subtract(span, cut_out) == _stretches(naive)


@given(st.sampled_from(ZONES), st.dates(date(2000, 1, 1), date(2037, 12, 31)))
def test_a_day_is_over_after_the_last_minute_that_shows_it_or_an_earlier_one(name: str, day: date) -> None:
    zone = ZoneInfo(name)
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    minutes = (noon + n * MINUTE for n in range(-1440, 2880))
    assert day_over(day, zone) == max(at for at in minutes if at.astimezone(zone).date() <= day) + MINUTE


@pytest.mark.parametrize(
    "zone, day, over",
    [
        ("Europe/Vienna", date(2027, 3, 1), datetime(2027, 3, 1, 23, tzinfo=UTC)),
        ("Europe/Vienna", date(2026, 3, 29), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("Asia/Beirut", date(2026, 3, 28), datetime(2026, 3, 28, 22, tzinfo=UTC)),  # midnight is skipped
        ("America/Havana", date(2026, 10, 31), datetime(2026, 11, 1, 4, tzinfo=UTC)),  # 00:00 comes twice: the first
        ("America/Santiago", date(2026, 4, 4), datetime(2026, 4, 5, 4, tzinfo=UTC)),  # 23:00 comes twice: the second
    ],
)
def test_a_last_day_ends_where_the_zone_says(zone: str, day: date, over: datetime) -> None:
    assert day_over(day, ZoneInfo(zone)) == over


def test_hours_that_meet_across_a_skipped_hour_are_one_stretch() -> None:
    policy = Policy(access_hours=(Hours("sun", 60, 120), Hours("sun", 180, 240)))
    night = Span(datetime(2026, 3, 29, 0, tzinfo=UTC), datetime(2026, 3, 29, 6, tzinfo=UTC))
    first = cut(night, policy, VIENNA, implementation=False)
    assert first == Span(datetime(2026, 3, 29, 0, tzinfo=UTC), datetime(2026, 3, 29, 2, tzinfo=UTC))


def test_the_hour_that_comes_twice_counts_twice() -> None:
    night = Span(datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC))
    inside = within_hours(night, (Hours("sun", 120, 180),), VIENNA)
    assert inside == [Span(datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC))]


def test_spans_are_cut_to_the_microsecond() -> None:
    odd = datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC)
    span = Span(odd, odd + timedelta(microseconds=2))
    assert within_hours(span, (Hours("sun", 0, 120),), VIENNA) == [Span(odd, odd + timedelta(microseconds=1))]


def test_implementation_windows_are_measured_in_days() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    span = Span(start, start + timedelta(days=60))
    assert cut(span, Policy(), VIENNA, implementation=True) == Span(start, start + timedelta(days=30))
    assert cut(span, Policy(max_implementation_window_days=0), VIENNA, implementation=True) is None


def test_a_span_is_never_empty() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    with pytest.raises(ValueError):
        Span(start, start)
