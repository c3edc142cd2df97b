"""The picture of sign-ins against approved windows, as shapes: a row a day, 24 hours across."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from app.actions.sign_in_view import DayShown, WindowShown
from app.domain.reconciled_days import Given

_INSET = 6
_LEAST = 2.0


@dataclass(frozen=True, slots=True)
class Frame:
    """The measures of a picture: `kind` is `wide` or `narrow`; `hours` are the lines across."""

    kind: str
    left: int
    width: int
    lane: int
    top: int
    step: int

    @property
    def hours(self) -> range:
        """The hours at which a line stands."""
        return range(0, 25, self.step)

    def x(self, hour: float) -> float:
        """Where an hour of the day stands."""
        return round(self.left + (self.width - self.left - 12) * hour / 24, 1)


WIDE, NARROW = Frame("wide", 96, 980, 38, 28, 3), Frame("narrow", 56, 358, 36, 26, 6)


@dataclass(frozen=True, slots=True)
class Box:
    """A window, a session or a day without records. `cut`: where it was ended before its time."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    label: str = ""
    cut: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A day. `marks` are `(kind, x, y, label)`: `hit` for a sign-in with a session, `miss` for one without."""

    y: float
    height: float
    middle: float
    day: DayShown
    boxes: tuple[Box, ...]
    marks: tuple[tuple[str, float, float, str], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A whole picture."""

    frame: Frame
    height: float
    rows: tuple[Row, ...]


def figure(days: Sequence[DayShown], frame: Frame, zone: ZoneInfo) -> Figure:
    """The picture of some days."""
    rows, y = [], float(frame.top)
    for day in days:
        row = _row(day, frame, y, zone)
        rows.append(row)
        y += row.height
    return Figure(frame, y + _INSET, tuple(rows))


def _row(day: DayShown, frame: Frame, y: float, zone: ZoneInfo) -> Row:
    lanes = _lanes(day.windows)
    height = frame.lane * max(1, 1 + max(lanes, default=0))
    middle = y + frame.lane / 2
    return Row(
        y, height, middle, day, tuple(_boxes(day, lanes, frame, y, zone)), tuple(_marks(day, frame, middle, zone))
    )


def _lanes(windows: Sequence[WindowShown]) -> list[int]:
    """For each window the first lane that is free when it begins."""
    ends: list[datetime] = []
    lanes = []
    for window in windows:
        lane = next((n for n, end in enumerate(ends) if end <= window.span.start), len(ends))
        ends[lane : lane + 1] = [window.span.end]
        lanes.append(lane)
    return lanes


def _boxes(day: DayShown, lanes: list[int], frame: Frame, y: float, zone: ZoneInfo) -> Iterator[Box]:
    tall = frame.lane - 2 * _INSET
    if day.given in {Given.NONE, Given.PART}:
        yield Box("none", frame.x(0), y + _INSET, round(frame.x(24) - frame.x(0), 1), tall)
    for window, lane in zip(day.windows, lanes, strict=True):
        begins, ends = _x(window.span.start, day, frame, zone), _x(window.span.end, day, frame, zone)
        cut = None if window.cut is None else _x(window.cut, day, frame, zone)
        width = max(round(ends - begins, 1), _LEAST)
        yield Box("win", begins, y + lane * frame.lane + _INSET, width, tall, window.number.partition("-")[2], cut)
    for span in day.sessions:
        begins, ends = _x(span.start, day, frame, zone), _x(span.end, day, frame, zone)
        yield Box("ses", begins, y + frame.lane / 2 - 5, max(round(ends - begins, 1), _LEAST), 10)


def _marks(day: DayShown, frame: Frame, middle: float, zone: ZoneInfo) -> Iterator[tuple[str, float, float, str]]:
    for each in day.sign_ins:
        x = _x(each.at, day, frame, zone)
        if each.session is None:
            yield "miss", x, middle, f"{each.at.astimezone(zone):%H:%M}"
        else:
            yield "hit", x, middle, ""


def _x(at: datetime, day: DayShown, frame: Frame, zone: ZoneInfo) -> float:
    """Where an instant stands by the wall clock of its day; the day's end is hour 24."""
    if at >= day.span.end:
        return frame.x(24)
    local = at.astimezone(zone)
    return frame.x(local.hour + local.minute / 60 + local.second / 3600)
