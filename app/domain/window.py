"""Windows: spans of instants, cut by weekly hours and dated ranges of a wall clock, exact when the clock changes.

An instant is inside weekly hours when the zone's wall clock then shows that weekday and a time in [from, to). Where the
clock is set back an hour counts twice, where it is set forward it does not exist; neither breaks a stretch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from app.domain.data import Value
from app.domain.policy import DAYS, Blackout, Hours, Policy

# Rules of a zone change at most every few weeks, so half a day between two looks misses none.
_LOOK = timedelta(hours=12)
_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Span(Value):
    """The instants from `start` up to, without, `end`; never empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError("a span ends after it starts")

    @property
    def length(self) -> timedelta:
        """How long it lasts."""
        return self.end - self.start

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end


def clip(start: datetime, end: datetime, bounds: Span) -> Span | None:
    """What of [start, end) lies inside `bounds`."""
    start, end = max(start, bounds.start), min(end, bounds.end)
    return Span(start, end) if start < end else None


def merge(spans: Iterable[Span]) -> list[Span]:
    """The same instants as few spans, in order; spans that touch become one."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def subtract(span: Span, holes: Iterable[Span]) -> list[Span]:
    """The parts of `span` outside all `holes`, in order."""
    left, at = [], span.start
    for hole in merge(holes):
        if (part := clip(at, hole.start, span)) is not None:
            left.append(part)
        at = max(at, hole.end)
    if at < span.end:
        left.append(Span(at, span.end))
    return left


def within_hours(span: Span, hours: tuple[Hours, ...], zone: tzinfo) -> list[Span]:
    """The parts of `span` inside the weekly hours, in order; no hours mean all of it."""
    if not hours:
        return [span]
    parts = []
    for piece, offset in _pieces(span, zone):
        for day in _days(piece, offset):
            midnight = datetime.combine(day, time(), tzinfo=UTC) - offset
            parts += [
                clip(midnight + entry.start * _MINUTE, midnight + entry.end * _MINUTE, piece)
                for entry in hours
                if entry.day == DAYS[day.weekday()]
            ]
    return merge(part for part in parts if part is not None)


def within_blackouts(span: Span, blackouts: tuple[Blackout, ...], zone: tzinfo) -> list[Span]:
    """The parts of `span` in which the wall clock shows a time inside a blackout, in order."""
    parts = [
        clip(_wall(blackout.start) - offset, _wall(blackout.end) - offset, piece)
        for piece, offset in (_pieces(span, zone) if blackouts else ())
        for blackout in blackouts
    ]
    return merge(part for part in parts if part is not None)


def allowed(span: Span, policy: Policy, zone: tzinfo) -> list[Span]:
    """The parts of `span` that access hours and blackouts leave, in order."""
    closed = within_blackouts(span, policy.blackouts, zone)
    return [part for open_part in within_hours(span, policy.access_hours, zone) for part in subtract(open_part, closed)]


def longest(policy: Policy, *, implementation: bool) -> timedelta:
    """The longest window that the policy gives."""
    if implementation:
        return timedelta(days=policy.max_implementation_window_days)
    return timedelta(minutes=policy.max_window_minutes)


def cut(span: Span, policy: Policy, zone: tzinfo, *, implementation: bool) -> Span | None:
    """What policy leaves of a window: its longest length, then the first stretch unbroken by hours and blackouts."""
    kept = clip(span.start, span.start + longest(policy, implementation=implementation), span)
    if kept is None:
        return None
    return next(iter(allowed(kept, policy, zone)), None)


def outside_working_hours(span: Span, policy: Policy, zone: tzinfo) -> bool:
    """Whether any instant of the window lies outside the working hours (none set: never)."""
    return within_hours(span, policy.working_hours, zone) != [span]


def day_over(day: date, zone: tzinfo) -> datetime:
    """The instant at which that day is over in the zone.

    Where midnight is skipped, the offset before the change places it exactly at the change (PEP 495, fold 0).
    """
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)


def _wall(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _days(piece: Span, offset: timedelta) -> Iterator[date]:
    day, last = (piece.start + offset).date(), (piece.end + offset).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


def _offset(at: datetime, zone: tzinfo) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    if offset is None:
        raise ValueError("a zone has an offset at every instant")
    return offset


def _pieces(span: Span, zone: tzinfo) -> Iterator[tuple[Span, timedelta]]:
    """`span` in pieces of one offset each. Inside a piece wall clock and instant differ by just that offset."""
    start, offset = span.start, _offset(span.start, zone)
    at = span.start
    while at < span.end:
        look = min(at + _LOOK, span.end)
        if _offset(look, zone) != offset:
            look = _change(at, look, zone)
            if look < span.end:
                yield Span(start, look), offset
                start, offset = look, _offset(look, zone)
        at = look
    yield Span(start, span.end), offset


def _change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The first instant after `low`, up to `high`, at which the offset is another; zones change on whole seconds."""
    before, whole = _offset(low, zone), low.replace(microsecond=0)
    same, changed = 0, -((whole - high) // _SECOND)
    while changed - same > 1:
        middle = (same + changed) // 2
        if _offset(whole + middle * _SECOND, zone) == before:
            same = middle
        else:
            changed = middle
    return whole + changed * _SECOND
