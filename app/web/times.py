"""Times on pages: the institution's zone, 24 hours, `<time>` with the instant, apart from the direction around it.

Dates and numbers follow CLDR in the locale of the call; English dates are as the house writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton, get_timezone_name
from babel.numbers import format_decimal
from babel.units import format_unit
from markupsafe import Markup

from app.domain.window import Span
from app.web.language import _, locale

_TIME = Markup('<time datetime="{}" dir="auto">{}</time>')
_ENGLISH = {"yMMMEd": "EEE d MMM y", "MMMEd": "EEE d MMM", "yMMMMEEEEd": "EEEE d MMMM y", "yMMMd": "d MMM y"}
_ENGLISH |= {"Ed": "EEE d", "d": "d", "yMMMM": "MMMM y"}


@dataclass(frozen=True, slots=True)
class Times:
    """Times in one zone; `now` is what "today" is judged by (None: dates are spelt out)."""

    zone: ZoneInfo
    now: datetime | None = None

    @property
    def title(self) -> str:
        """`Central European Time (UTC+1)`."""
        name = get_timezone_name(self.zone, "long", locale=locale())
        return f"{name} ({_offset(self.now.astimezone(self.zone))})" if self.now is not None else name

    def clock(self, at: datetime) -> str:
        """`14:00`."""
        return f"{at.astimezone(self.zone):%H:%M}"

    def second(self, at: datetime) -> Markup:
        """`14:00:05`, marked."""
        return _mark(at, f"{at.astimezone(self.zone):%H:%M:%S}")

    def hour(self, at: datetime) -> Markup:
        """`14:00`, marked."""
        return _mark(at, self.clock(at))

    def label(self, at: datetime) -> str:
        """`14:00 CET`."""
        local = at.astimezone(self.zone)
        return f"{local:%H:%M} {zone_name(local)}"

    def day(self, at: datetime) -> str:
        """`today`, `tomorrow`, `Tue 17 Nov`, with the year where it is not this one."""
        day = at.astimezone(self.zone).date()
        today = None if self.now is None else self.now.astimezone(self.zone).date()
        if today is not None and day - today in _NEAR:
            return _near(day - today)
        same_year = today is not None and day.year == today.year
        return dated(day, "MMMEd" if same_year else "yMMMEd")

    def date(self, at: datetime) -> Markup:
        """`Tue 17 Nov 2026`."""
        return _mark(at, dated(at.astimezone(self.zone).date(), "yMMMEd"))

    def weekday(self, at: datetime, *, short: bool = False) -> str:
        """`Tue 17`, or the number alone."""
        return dated(at.astimezone(self.zone).date(), "d" if short else "Ed")

    def month(self, at: datetime, *, short: bool = False, year: bool = False) -> str:
        """`Nov`, `N`, `November 2026`."""
        form = "LLLLL" if short else "LLL"
        day = at.astimezone(self.zone).date()
        return dated(day, "yMMMM") if year else format_date(day, form, locale=locale())

    def day_name(self, n: int, *, short: bool = False) -> str:
        """The name of a weekday, Monday being 0: `Mon`, `M`."""
        return str(locale().days["stand-alone"]["narrow" if short else "abbreviated"][n])

    def full(self, at: datetime) -> Markup:
        """`Tuesday 17 November 2026, 14:00 CET`."""
        day = dated(at.astimezone(self.zone).date(), "yMMMMEEEEd")
        return _mark(at, _moment(day, self.label(at)))

    def moment(self, at: datetime, *, first: bool = False) -> Markup:
        """`today, 14:00 CET`; with `first` as the first words of a sentence."""
        return _mark(at, _sentence(_moment(self.day(at), self.label(at)), first=first))

    def by(self, at: datetime) -> Markup:
        """`20:00 today`, or `Fri 27 Nov, 20:00`."""
        day, time = self.day(at), self.clock(at)
        return _mark(at, _("%(time)s %(day)s", time=time, day=day) if self._is_near(at) else _moment(day, time))

    def span(self, span: Span, *, first: bool = False, dated: bool = False) -> Markup:
        """`today, 14:00 to 22:00 CET`; day and zone once where they are the same. `dated`: never "today"."""
        times = Times(self.zone) if dated else self
        begins = _moment(times.day(span.start), self.clock(span.start))
        if self._offset_changes(span):
            begins = _moment(times.day(span.start), self.label(span.start))
        ends = self.label(span.end)
        if not self.same_day(span.start, span.end):
            ends = _moment(times.day(span.end), ends)
        return _from_to(_mark(span.start, _sentence(begins, first=first)), _mark(span.end, ends))

    def slot(self, at: datetime, span: Span) -> str:
        """The label of a choice inside a span: the time, the day where there are several, the zone where it changes."""
        text = self.label(at) if self._offset_changes(span) else self.clock(at)
        return text if self.same_day(span.start, span.end) else _moment(self.day(at), text)

    def in_utc(self, span: Span) -> Markup:
        """The same span in UTC, with the day where it is another."""
        utc = Times(ZoneInfo("UTC"))
        begins, ends = utc.clock(span.start), utc.clock(span.end)
        if not (utc.same_day(span.start, span.end) and self.same_day(span.start, span.end)):
            begins, ends = _moment(utc.day(span.start), begins), _moment(utc.day(span.end), ends)
        return _from_to(_mark(span.start, begins), _mark(span.end, ends))

    def same_day(self, one: datetime, other: datetime) -> bool:
        """Whether both lie on one day of the zone."""
        return one.astimezone(self.zone).date() == other.astimezone(self.zone).date()

    def _is_near(self, at: datetime) -> bool:
        days = at.astimezone(self.zone).date()
        return self.now is not None and days - self.now.astimezone(self.zone).date() in _NEAR

    def _offset_changes(self, span: Span) -> bool:
        return span.start.astimezone(self.zone).utcoffset() != span.end.astimezone(self.zone).utcoffset()


_NEAR = frozenset({timedelta(days=-1), timedelta(), timedelta(days=1)})


def dated(day: date, skeleton: str) -> str:
    """A day, with the fields of a CLDR skeleton such as `yMMMEd`."""
    if locale().language == "en":
        return format_date(day, _ENGLISH[skeleton], locale=locale())
    return format_skeleton(skeleton, datetime.combine(day, time()), tzinfo=UTC, locale=locale())


def number(value: float) -> str:
    """`2,312`."""
    return format_decimal(value, locale=locale())


def length(minutes: int) -> str:
    """`1 day 2 hours 30 minutes`."""
    days, rest = divmod(minutes, 24 * 60)
    parts = zip(("day", "hour", "minute"), (days, *divmod(rest, 60)), strict=True)
    return " ".join(format_unit(n, f"duration-{unit}", locale=locale()) for unit, n in parts if n)


def lasted(seconds: int) -> str:
    """`2 h 5 min`, `26 min 30 s`, `9 s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = (
        _("%(n)s h", n=hours) if hours else "",
        _("%(n)s min", n=minutes) if minutes else "",
        _("%(n)s s", n=left) if (left and not hours) or not seconds else "",
    )
    return " ".join(filter(None, parts))


def country(code: str | None) -> str | None:
    """The name of an ISO 3166 country; the code itself where CLDR knows none."""
    return None if code is None else locale().territories.get(code, code)


def zone_name(local: datetime) -> str:
    """The abbreviation in force, or the offset where there is none."""
    name = local.tzname() or ""
    return name if name.isalpha() else _offset(local)


def _offset(local: datetime) -> str:
    minutes = (local.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    return "UTC" if not minutes else f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


def _near(away: timedelta) -> str:
    if not away:
        return _("today")
    return _("yesterday") if away < timedelta() else _("tomorrow")


def _moment(day: str, time: str) -> str:
    return _("%(day)s, %(time)s", day=day, time=time)


def _from_to(start: Markup, end: Markup) -> Markup:
    return Markup(_("%(start)s to %(end)s")) % {"start": start, "end": end}  # noqa: S704 our own catalogue, tested


def _mark(at: datetime, text: str) -> Markup:
    return _TIME.format(at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), text)


def _sentence(text: str, *, first: bool) -> str:
    return text[:1].upper() + text[1:] if first else text
