"""Pictures of an institution's time for its pages: a week of windows and sessions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.actions.board import Board
from app.actions.signin import Visitor
from app.actions.windows import Day, WindowShown
from app.web.timeline import NARROW, WIDE, Figure, Style, figure

_WEEK = timedelta(days=7)
_EARLIEST, _LATEST = date(2000, 1, 1), date(2200, 1, 1)


@dataclass(frozen=True, slots=True)
class Week:
    """A week as it is drawn. `earlier`, `later`: days of its neighbours; `rows`: the same facts for the table."""

    figures: tuple[Figure[Day], ...]
    rows: tuple[tuple[Day, WindowShown], ...]
    days: tuple[Day, ...]
    earlier: date
    later: date
    present: bool
    works: bool
    now: datetime


def day_of(text: str) -> date | None:
    """A day of an address, `YYYY-MM-DD`; null for whatever else stands there."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if _EARLIEST < day < _LATEST else None


def shown_week(board: Board, visitor: Visitor) -> Week:
    """The week of the list of requests."""
    zone, days = ZoneInfo(visitor.time_zone), board.week
    hours = board.policy.working_hours
    style: Style[Day] = Style(zone, now=board.now, hours=hours)
    first, today = days[0].day, board.now.astimezone(zone).date()
    return Week(
        figures=tuple(figure(days, frame, style) for frame in (WIDE, NARROW)),
        rows=tuple(_rows(days)),
        days=days,
        earlier=first - _WEEK,
        later=first + _WEEK,
        present=first <= today < first + _WEEK,
        works=bool(hours),
        now=board.now,
    )


def _rows(days: tuple[Day, ...]) -> Iterator[tuple[Day, WindowShown]]:
    for day in days:
        for window in day.windows:
            yield day, window
