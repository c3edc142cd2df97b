"""Figures of a year, month by month, and one month day by day: requests, time to answer, hours approved and used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.windows import Window, WindowShown, parts_of, windows
from app.domain.errors import Refused
from app.domain.kinds import VENDOR
from app.domain.reconciled_days import day_span, days
from app.domain.request import AccessRequest, Status, status_at
from app.domain.window import Span, clip
from app.storage import requests
from app.storage.requests import Filter

MOST = 10_000
"""Requests of a year that are counted: the newest."""
_DAY = timedelta(days=1)
_GIVEN = frozenset({Status.APPROVED, Status.ACTIVE, Status.ELAPSED, Status.COMPLETED, Status.REVOKED})


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the institution's zone. Requests count where they were made, by what became of them; `lapsed`: nobody
    answered, or the vendor took it back. `answered`: the median from asking to the vote that decided, null where there
    was none. Hours count where they lie; `approved` until a window was ended.
    """

    first: date
    span: Span
    asked: int
    given: int
    denied: int
    lapsed: int
    waiting: int
    answered: timedelta | None
    approved: timedelta
    used: timedelta


@dataclass(frozen=True, slots=True)
class DayFigures:
    """A day of a month: its windows, with hours approved and used."""

    day: date
    span: Span
    windows: tuple[WindowShown, ...]
    approved: timedelta
    used: timedelta


@dataclass(frozen=True, slots=True)
class Figures:
    """A year, and a month of it day by day. `more`: there were more requests than are counted."""

    year: tuple[Month, ...]
    month: tuple[DayFigures, ...]
    more: bool
    now: datetime


async def figures(services: Services, visitor: Visitor, of: date | None) -> Figures:
    """The figures of the year and the month that hold a day, or the present one. Raises `Refused` not-found."""
    if visitor.code == VENDOR or not visitor.roles:
        raise Refused(NOT_FOUND)
    zone = ZoneInfo(visitor.time_zone)
    async with services.database.read() as tx:
        now = await tx.now()
        day = of or now.astimezone(zone).date()
        whole = Span(day_span(date(day.year, 1, 1), zone).start, day_span(date(day.year, 12, 31), zone).end)
        wanted = Filter((visitor.code,), created_after=whole.start, created_before=whole.end)
        rows = await requests.find(tx, wanted, MOST + 1)
        drawn = [each for each in await windows(tx, visitor.code, whole, now) if each.kind == "win"]
    asked = [AccessRequest.from_data(row.state) for row in rows[:MOST]]
    firsts = [date(day.year, month, 1) for month in range(1, 13)]
    month = _month_span(day.replace(day=1), zone)
    return Figures(
        year=tuple(_month(first, asked, drawn, zone, now) for first in firsts),
        month=tuple(_day(each, drawn, zone) for each in days(month, zone)),
        more=len(rows) > MOST,
        now=now,
    )


def _month_span(first: date, zone: ZoneInfo) -> Span:
    last = (first + 31 * _DAY).replace(day=1) - _DAY
    return Span(day_span(first, zone).start, day_span(last, zone).end)


def _month(
    first: date, asked: Sequence[AccessRequest], drawn: Sequence[Window], zone: ZoneInfo, now: datetime
) -> Month:
    span = _month_span(first, zone)
    own = [each for each in asked if each.created_at in span]
    stands = [status_at(each, now) for each in own]
    answers = [length.total_seconds() for each in own if (length := _answered(each)) is not None]
    approved, used = _hours(drawn, span)
    return Month(
        first=first,
        span=span,
        asked=len(own),
        given=sum(each in _GIVEN for each in stands),
        denied=stands.count(Status.DENIED),
        lapsed=stands.count(Status.EXPIRED) + stands.count(Status.WITHDRAWN),
        waiting=stands.count(Status.PENDING),
        answered=timedelta(seconds=median(answers)) if answers else None,
        approved=approved,
        used=used,
    )


def _answered(request: AccessRequest) -> timedelta | None:
    """From the request to the vote that decided it."""
    votes = [vote.at for vote in request.votes]
    decided = request.grant is not None or request.status is Status.DENIED
    return max(votes) - request.created_at if votes and decided else None


def _day(day: date, drawn: Sequence[Window], zone: ZoneInfo) -> DayFigures:
    span = day_span(day, zone)
    return DayFigures(day, span, parts_of(drawn, span), *_hours(drawn, span))


def _hours(drawn: Iterable[Window], span: Span) -> tuple[timedelta, timedelta]:
    """How much was approved, and how much of it was used, inside a span."""
    approved = used = timedelta()
    for window in drawn:
        part = clip(window.open.start, window.open.end, span)
        approved += part.length if part is not None else timedelta()
        stays = [clip(stay.start, stay.end, span) for stay in window.stays]
        used += sum((stay.length for stay in stays if stay is not None), timedelta())
    return approved, used
