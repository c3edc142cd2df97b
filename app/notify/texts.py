"""Words and dates in one language: a table per language, phrases that print as HTML and as plain text.

The tables are `languages/<language>.toml`. An institution whose language has no table gets English, dates included: a
mail is in one language. Dates follow CLDR for the institution's locale, times are 24 h with the zone's abbreviation.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.units import format_unit
from markupsafe import Markup

from app.domain.languages import language_of, named
from app.notify import safe_text

_CODE = (
    '<span class="code ink" style="font-family:Consolas,Menlo,monospace;background:#eef1ed;padding:2px 7px;'
    'border-radius:4px;font-weight:bold;white-space:nowrap">'
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Some words, ready to print: as HTML (escaped) and as plain text."""

    html: Markup
    text: str


Values = Mapping[str, "str | Phrase | None"]


def fact(value: str) -> Phrase:
    """A name, title, number or time as one line, isolated from the direction of the words around it."""
    return _isolated(safe_text.line(value))


def prose(value: str) -> Phrase:
    """What somebody wrote, in several lines."""
    return _isolated(safe_text.prose(value))


def _isolated(value: str) -> Phrase:
    html = Markup("<bdi>{}</bdi>").format(value).replace("\n", Markup("<br>"))
    return Phrase(html, safe_text.isolate(value))


@cache
def table(language: str) -> Mapping[str, str]:
    """All texts of a language by dotted name."""
    source = files("app.notify").joinpath(f"languages/{language}.toml").read_text("utf-8")
    return dict(_flat(tomllib.loads(source), ""))


def _flat(tree: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, str):
            yield above + name, value
        else:
            yield from _flat(value, f"{above}{name}.")


@cache
def facts_of(text: str) -> frozenset[str]:
    """The names of the facts that a text holds."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name)


@cache
def locale_of(name: str) -> Locale:
    """What dates and numbers of a locale follow; of a region that CLDR does not know, those of its language."""
    language = language_of(name).replace("-", "_")
    if named(name) is None:
        return Locale.parse(language)
    try:
        return Locale.parse(name.replace("-", "_"))
    except UnknownLocaleError:
        return Locale.parse(language)


class Words:
    """The texts, numbers and dates of one institution. A missing text or fact raises `KeyError`."""

    def __init__(self, locale: str, time_zone: str) -> None:
        self.language = language_of(locale)
        self.locale = locale_of(locale)
        self.zone = ZoneInfo(time_zone)
        self._table = table(self.language)

    def say(self, name: str, values: Values) -> Phrase:
        """The text `name` with its facts put in; strings among them are isolated and escaped."""
        return _filled(self._table[name], values)

    def knows_all(self, name: str, values: Values) -> bool:
        """Whether no fact that the text `name` needs is null."""
        return all(values[needed] is not None for needed in facts_of(self._table[name]))

    def count(self, name: str, n: int, values: Values) -> Phrase:
        """The text `name` in the plural form of `n`, which it may print as `{n}`."""
        return self.say(f"{name}.{self.locale.plural_form(n)}", {**values, "n": str(n)})

    def join(self, items: tuple[str, ...]) -> Phrase:
        """A list of facts in one phrase."""
        separator, phrases = self._table["list.separator"], [fact(item) for item in items]
        return Phrase(Markup.escape(separator).join(p.html for p in phrases), separator.join(p.text for p in phrases))

    def lines(self, phrases: Sequence[Phrase]) -> Phrase:
        """Phrases one below the other."""
        return Phrase(Markup("<br>").join(p.html for p in phrases), "\n".join(p.text for p in phrases))

    def duration(self, minutes: int) -> str:
        """Minutes in days, hours and minutes."""
        days, rest = divmod(minutes, 24 * 60)
        parts = zip(("day", "hour", "minute"), (days, *divmod(rest, 60)), strict=True)
        return " ".join(format_unit(n, f"duration-{unit}", locale=self.locale) for unit, n in parts if n)

    def time(self, at: datetime, *, offset: bool = False) -> str:
        """`14:00 CET`, with `offset` also `(UTC+1)`."""
        local = at.astimezone(self.zone)
        return f"{local:%H:%M} {_zone(local)}" + (f" ({_offset(local)})" if offset else "")

    def day(self, at: datetime) -> str:
        """`Tue 17 Nov 2026`."""
        return format_date(at.astimezone(self.zone).date(), self._table["date.pattern"], locale=self.locale)

    def moment(self, at: datetime, now: datetime | None = None) -> str:
        """Day and time; it says `today` too if that is so at `now`."""
        name = "date.today" if now and self._same_day(at, now) else "date.moment"
        return self._table[name].format(day=self.day(at), time=self.time(at))

    def short(self, at: datetime, since: datetime) -> str:
        """The time, and the day only where it is another than that of `since`."""
        return self.time(at) if self._same_day(at, since) else self.moment(at)

    def span(self, start: datetime, end: datetime, *, offset: bool = False) -> str:
        """From when to when; day and zone are repeated only where they change."""
        first, last = start.astimezone(self.zone), end.astimezone(self.zone)
        same_zone = first.utcoffset() == last.utcoffset()
        begins = f"{first:%H:%M}" if same_zone else self.time(start, offset=offset)
        ends = self.time(end, offset=offset)
        if not self._same_day(start, end):
            ends = self._table["date.moment"].format(day=self.day(end), time=ends)
        return self._table["date.span"].format(day=self.day(start), first=begins, last=ends)

    def in_utc(self) -> Words:
        """The same words with times in UTC."""
        return Words(str(self.locale), "UTC")

    def _same_day(self, one: datetime, other: datetime) -> bool:
        return one.astimezone(self.zone).date() == other.astimezone(self.zone).date()


def _filled(text: str, values: Values) -> Phrase:
    used = {name: values[name] for name in facts_of(text)}
    phrases = {name: fact(value) if isinstance(value, str) else value for name, value in used.items()}
    marked = text.replace("<code>", _CODE).replace("</code>", "</span>").replace("\n", "<br>")
    html = Markup(marked).format(**{name: phrase.html for name, phrase in phrases.items() if phrase})  # noqa: S704 -- our own table; format escapes
    bare = re.sub(r"</?(b|code)>", "", text).replace("\n", ", ")
    return Phrase(html, bare.format(**{name: phrase.text for name, phrase in phrases.items() if phrase}))


def _zone(local: datetime) -> str:
    name = local.tzname() or ""
    return name if name.isalpha() else _offset(local)


def _offset(local: datetime) -> str:
    offset = local.utcoffset() or timedelta()
    sign, minutes = ("-" if offset < timedelta() else "+"), abs(offset) // timedelta(minutes=1)
    hours, rest = divmod(minutes, 60)
    return "UTC" if not minutes else f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")
