"""The picture of windows against sessions, as shapes: a row a day, 24 hours across. Overlapping windows get lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

from app.actions.windows import WindowShown
from app.domain.policy import Hours
from app.domain.window import Span, within_hours

_INSET = 6
_BAR = 10
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
    """A shape of a day: `win`, `pend`, `ses`, `work` (working hours) or `none` (no records). `cut`: where a window was
    ended before its time; `label`: what stands beside it.
    """

    kind: str
    x: float
    y: float
    width: float
    height: float
    label: str = ""
    cut: float | None = None


class Drawn(Protocol):
    """A day that can be drawn."""

    @property
    def span(self) -> Span:
        """Its instants."""

    @property
    def windows(self) -> tuple[WindowShown, ...]:
        """What of windows lies in it, in their order."""


D = TypeVar("D", bound=Drawn)


@dataclass(frozen=True, slots=True)
class Row(Generic[D]):
    """A day. `marks` are `(kind, x, y)`: `hit` for a sign-in with a session, `miss` for one without. `now`: where the
    present stands, where it is in this day.
    """

    y: float
    height: float
    middle: float
    day: D
    boxes: tuple[Box, ...]
    marks: tuple[tuple[str, float, float], ...]
    now: float | None


@dataclass(frozen=True, slots=True)
class Figure(Generic[D]):
    """A whole picture."""

    frame: Frame
    height: float
    rows: tuple[Row[D], ...]


@dataclass(frozen=True, slots=True)
class Style(Generic[D]):
    """What a picture shows beside windows and sessions: hours of work, the present, and a day's `marks` or `void`."""

    zone: ZoneInfo
    now: datetime | None = None
    hours: tuple[Hours, ...] = ()
    marks: Callable[[D], Sequence[tuple[str, datetime]]] = lambda _: ()
    void: Callable[[D], bool] = lambda _: False


def figure(days: Sequence[D], frame: Frame, style: Style[D]) -> Figure[D]:
    """The picture of some days."""
    rows, y = [], float(frame.top)
    for day in days:
        row = _row(day, frame, y, style)
        rows.append(row)
        y += row.height
    return Figure(frame, y + _INSET, tuple(rows))


def _row(day: D, frame: Frame, y: float, style: Style[D]) -> Row[D]:
    lanes = _lanes(day.windows)
    height = frame.lane * max(1, 1 + max(lanes, default=-1))
    middle = y + frame.lane / 2
    place = _Place(day, frame, style.zone)
    boxes = (*_ground(place, y, height, style), *_boxes(place, lanes, y))
    marks = tuple((kind, place.x(at), middle) for kind, at in style.marks(day))
    now = None if style.now is None or style.now not in day.span else place.x(style.now)
    return Row(y, height, middle, day, boxes, marks, now)


def _lanes(windows: Sequence[WindowShown]) -> list[int]:
    """For each window the first lane that is free when it begins."""
    ends: list[datetime] = []
    lanes = []
    for window in windows:
        lane = next((n for n, end in enumerate(ends) if end <= window.span.start), len(ends))
        ends[lane : lane + 1] = [window.span.end]
        lanes.append(lane)
    return lanes


@dataclass(frozen=True, slots=True)
class _Place(Generic[D]):
    day: D
    frame: Frame
    zone: ZoneInfo

    def x(self, at: datetime) -> float:
        """Where an instant stands by the wall clock of its day; the day's end is hour 24."""
        if at >= self.day.span.end:
            return self.frame.x(24)
        local = at.astimezone(self.zone)
        return self.frame.x(local.hour + local.minute / 60 + local.second / 3600)

    def wide(self, span: Span) -> tuple[float, float]:
        """Where a span begins, and how wide it is."""
        begins = self.x(span.start)
        return begins, max(round(self.x(span.end) - begins, 1), _LEAST)


def _ground(place: _Place[D], y: float, height: float, style: Style[D]) -> Iterator[Box]:
    frame = place.frame
    for span in within_hours(place.day.span, style.hours, style.zone) if style.hours else ():
        begins, width = place.wide(span)
        yield Box("work", begins, y, width, height)
    if style.void(place.day):
        yield Box("none", frame.x(0), y + _INSET, round(frame.x(24) - frame.x(0), 1), frame.lane - 2 * _INSET)


def _boxes(place: _Place[D], lanes: list[int], y: float) -> Iterator[Box]:
    tall = place.frame.lane - 2 * _INSET
    for window, lane in zip(place.day.windows, lanes, strict=True):
        begins, width = place.wide(window.span)
        top = y + lane * place.frame.lane + _INSET
        cut = None if window.cut is None else place.x(window.cut)
        yield Box(window.kind, begins, top, width, tall, window.number.partition("-")[2], cut)
        for stay in window.stays:
            begins, width = place.wide(stay)
            yield Box("ses", begins, top + (tall - _BAR) / 2, width, _BAR)
