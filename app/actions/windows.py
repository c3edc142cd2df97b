"""Windows that were approved or asked, day by day, with the sessions inside them: what the pictures of time are of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from app.domain.reconciled_days import day_span
from app.domain.reconciliation import lasted
from app.domain.request import AccessRequest, Status, status_at
from app.domain.terms import intersect
from app.domain.window import Span, clip
from app.storage import requests, sessions
from app.storage.database import Transaction
from app.storage.requests import Filter, RequestRow

Kind = Literal["win", "pend"]
_PENDING_MOST = 100


@dataclass(frozen=True, slots=True)
class Window:
    """A window as it was given, or as it would be if what is asked were approved now (`pend`).

    `ended_at`: when it was ended before its time; `stays`: the sessions in it, until now where they go on.
    """

    request: str
    number: str
    environment: str
    kind: Kind
    span: Span
    ended_at: datetime | None
    stays: tuple[Span, ...]

    @property
    def open(self) -> Span:
        """The time in which the gate could open: until it was ended, where that was before its time."""
        return self.span if self.ended_at is None else Span(self.span.start, min(self.ended_at, self.span.end))


@dataclass(frozen=True, slots=True)
class WindowShown:
    """What of a window lies in a day; `cut`: when it was ended before its time, where that is in the day."""

    number: str
    request: str
    environment: str
    kind: Kind
    span: Span
    cut: datetime | None
    stays: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the institution's zone, with its windows in their order."""

    day: date
    span: Span
    windows: tuple[WindowShown, ...]


async def windows(
    tx: Transaction, log: str, whole: Span, now: datetime, environment: str | None = None
) -> list[Window]:
    """The windows that reach into a time, in their order. One withdrawn before it began never was one."""
    granted = await requests.granted(tx, log, whole.start, environment)
    stays = await _stays(tx, log, whole, now, environment)
    found = [window for row in granted if (window := _granted(row, stays.get(row.id, ()), whole)) is not None]
    asked = await requests.find(tx, Filter((log,), (Status.PENDING,), environment=environment), _PENDING_MOST)
    found += [window for row in asked if (window := _asked(row, whole, now)) is not None]
    return sorted(found, key=lambda each: (each.span.start, each.request))


def by_day(known: Iterable[Window], days: Sequence[date], zone: ZoneInfo) -> tuple[Day, ...]:
    """What of them lies in each of these days."""
    kept = list(known)
    spans = [(day, day_span(day, zone)) for day in days]
    return tuple(Day(day, span, parts_of(kept, span)) for day, span in spans)


def parts_of(known: Iterable[Window], day: Span) -> tuple[WindowShown, ...]:
    """What of them lies in a day."""
    return tuple(
        WindowShown(
            number=each.number,
            request=each.request,
            environment=each.environment,
            kind=each.kind,
            span=part,
            cut=each.ended_at if each.ended_at is not None and each.ended_at in day else None,
            stays=tuple(stay for one in each.stays if (stay := clip(one.start, one.end, day)) is not None),
        )
        for each in known
        if (part := clip(each.span.start, each.span.end, day)) is not None
    )


def _granted(row: RequestRow, stays: tuple[Span, ...], whole: Span) -> Window | None:
    grant = AccessRequest.from_data(row.state).grant
    if grant is None or clip(grant.not_before, grant.not_after, whole) is None:
        return None
    cut = grant.ended_at if grant.ended_because not in {None, "elapsed"} else None
    if cut is not None and cut <= grant.not_before:
        return None
    span = Span(grant.not_before, grant.not_after)
    return Window(row.id, row.number, row.environment, "win", span, cut, stays)


def _asked(row: RequestRow, whole: Span, now: datetime) -> Window | None:
    request = AccessRequest.from_data(row.state)
    if status_at(request, now) is not Status.PENDING:
        return None
    votes = [vote.terms for vote in request.approving if vote.terms is not None]
    left = intersect(request.asked, votes, now)
    if left is None or clip(left[0].start, left[0].end, whole) is None:
        return None
    return Window(row.id, row.number, row.environment, "pend", left[0], None, ())


async def _stays(
    tx: Transaction, log: str, whole: Span, now: datetime, environment: str | None
) -> dict[str, tuple[Span, ...]]:
    held: dict[str, tuple[Span, ...]] = {}
    for row in await sessions.during(tx, log, environment, whole.start, whole.end):
        end = lasted(row.ended_at, row.not_after, now)
        if row.opened_at < end:
            held[row.request] = (*held.get(row.request, ()), Span(row.opened_at, end))
    return held
