"""Days of an environment for which sign-in records were given, by the wall clock of the institution's zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise

from app.domain.window import Span, clip, day_over, merge, subtract

_DAY = timedelta(days=1)


class Given(StrEnum):
    """How much of a day was given."""

    WHOLE = "whole"
    PART = "part"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Period:
    """Records from `begins` to `ends` were given `at` an instant, and can tell of nothing later."""

    begins: datetime
    ends: datetime
    at: datetime


def covered(periods: Iterable[Period]) -> list[Span]:
    """The time that they cover."""
    known = ((each.begins, min(each.ends, each.at)) for each in periods)
    return merge(Span(begins, ends) for begins, ends in known if begins < ends)


def day_span(day: date, zone: tzinfo) -> Span:
    """The instants of a day in the zone."""
    return Span(day_over(day - _DAY, zone), day_over(day, zone))


def days(span: Span, zone: tzinfo) -> Iterator[date]:
    """The days that a span touches, in order."""
    day, last = span.start.astimezone(zone).date(), (span.end - timedelta(microseconds=1)).astimezone(zone).date()
    while day <= last:
        yield day
        day += _DAY


def given(day: date, known: Iterable[Span], zone: tzinfo) -> Given:
    """How much of a day is in what is known."""
    whole, known = day_span(day, zone), list(known)
    if not subtract(whole, known):
        return Given.WHOLE
    return Given.PART if any(clip(span.start, span.end, whole) for span in known) else Given.NONE


def left_out(known: list[Span], zone: tzinfo, most: int) -> list[date]:
    """The days between the first and the last of what is known (merged, in order) that are not whole; the last `most`.

    What comes before the first records is no gap, and what comes after the last is not due yet.
    """
    if not known:
        return []
    gaps = (Span(before.end, after.start) for before, after in pairwise(known))
    missing = sorted({day for gap in gaps for day in _last_days(gap, zone, most)})
    return missing[-most:]


def _last_days(gap: Span, zone: tzinfo, most: int) -> Iterator[date]:
    last = clip(gap.end - (most + 1) * _DAY, gap.end, gap)
    return days(gap if last is None else last, zone)
