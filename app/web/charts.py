"""Bars and a month as shapes, drawn by the server: no script, no style of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil, log10

from app.actions.figures import DayFigures

_TOP, _BOTTOM, _LEFT, _GAP = 12, 24, 44, 4
_HOUR = timedelta(hours=1)
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Sheet:
    """The measures of a picture: `kind` is `wide` or `narrow`."""

    kind: str
    width: int
    height: int


WIDE, NARROW = Sheet("wide", 980, 220), Sheet("narrow", 358, 190)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `kind` names its look."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars by month. `lines` are `(y, value)`, `labels` where each month's name stands."""

    sheet: Sheet
    bars: tuple[Bar, ...]
    lines: tuple[tuple[float, int], ...]
    labels: tuple[float, ...]
    base: float


def chart(groups: Sequence[Sequence[tuple[str, float]]], sheet: Sheet, *, stacked: bool) -> Chart:
    """A group of bars for each month: on each other, or side by side."""
    totals = [sum(value for _, value in group) if stacked else max(v for _, v in group) for group in groups]
    step = _step(max(totals, default=0))
    lines = [step * n for n in range(ceil(max(max(totals, default=0), 1) / step) + 1)]
    base, tall = sheet.height - _BOTTOM, sheet.height - _BOTTOM - _TOP
    scale, slot = tall / lines[-1], (sheet.width - _LEFT) / len(groups)
    return Chart(
        sheet=sheet,
        bars=tuple(_bars(groups, slot, base, scale, stacked=stacked)),
        lines=tuple((round(base - value * scale, 1), value) for value in lines),
        labels=tuple(round(_LEFT + slot * (n + 0.5), 1) for n in range(len(groups))),
        base=base,
    )


def _step(most: float) -> int:
    """A whole step of which about four reach the top."""
    rough = max(most / 4, 1)
    power = 10 ** int(log10(rough))
    return next(int(n * power) for n in (1, 2, 5, 10) if n * power >= rough)


def _bars(
    groups: Sequence[Sequence[tuple[str, float]]], slot: float, base: float, scale: float, *, stacked: bool
) -> Iterator[Bar]:
    for n, group in enumerate(groups):
        inside = slot * 0.7
        width = inside if stacked else (inside - _GAP * (len(group) - 1)) / len(group)
        x, y = _LEFT + slot * n + slot * 0.15, base
        for kind, value in group:
            height = round(value * scale, 1)
            if height:
                yield Bar(kind, round(x, 1), round(y - height, 1), round(width, 1), height)
            if stacked:
                y -= height
            else:
                x += width + _GAP


@dataclass(frozen=True, slots=True)
class Cell:
    """A day of the month: where it stands, with bars for the hours approved and used in it."""

    day: DayFigures
    x: float
    y: float
    bars: tuple[Bar, ...]
    today: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """A month: a row a week from Monday on. `columns` is where each weekday's name stands."""

    sheet: Sheet
    height: float
    wide: float
    tall: float
    cells: tuple[Cell, ...]
    columns: tuple[float, ...]


def calendar(days: Sequence[DayFigures], sheet: Sheet, now_in: int | None) -> Calendar:
    """The picture of a month; `now_in`: the index of today, where it is in it."""
    wide = sheet.width / _WEEK
    tall = 76.0 if sheet.kind == "wide" else 52.0
    first = days[0].day.weekday()
    cells = tuple(_cell(each, first + n, wide, tall, today=n == now_in) for n, each in enumerate(days))
    rows = ceil((first + len(days)) / _WEEK)
    columns = tuple(round(wide * (n + 0.5), 1) for n in range(_WEEK))
    return Calendar(sheet, _BOTTOM + rows * tall + 2, round(wide, 1), tall, cells, columns)


def _cell(day: DayFigures, place: int, wide: float, tall: float, *, today: bool) -> Cell:
    x, y = place % _WEEK * wide, _BOTTOM + place // _WEEK * tall
    room, length = wide - 16, day.span.length
    bars = []
    for kind, spent, top in (("win", day.approved, tall - 28), ("ses", day.used, tall - 16)):
        share = min(spent / length, 1)
        if share:
            bars.append(Bar(kind, round(x + 8, 1), round(y + top, 1), round(max(room * share, 2), 1), 9))
    return Cell(day, round(x, 1), round(y, 1), tuple(bars), today)


def hours(length: timedelta) -> float:
    """A length in hours."""
    return round(length / _HOUR, 1)
