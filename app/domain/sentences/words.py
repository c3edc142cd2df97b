"""Texts of one language, with facts put in. A missing text or fact raises `KeyError`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo


def _two_forms(n: int) -> str:
    return "one" if n == 1 else "other"


_FORMS: Mapping[str, Callable[[int], str]] = {
    "fr": lambda n: "one" if n in {0, 1} else "other",
    "he": lambda n: {1: "one", 2: "two"}.get(n, "other"),
    "zh-Hans": lambda _: "other",
}
"""Which form of a text goes with a number (CLDR); where none stands here, one and other."""


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of a language by name."""

    language: str
    texts: Mapping[str, str]

    def say(self, text: str, /, **facts: object) -> str:
        """A text with its `{facts}`."""
        return self.texts[text].format(**facts)

    def count(self, text: str, n: int, written: str | None = None, /, **facts: object) -> str:
        """The form of a text for `n`, which stands in it as `{n}`, `written` so."""
        return self.say(f"{text}.{_FORMS.get(self.language, _two_forms)(n)}", n=written or n, **facts)

    def grouped(self, n: int) -> str:
        """A whole number with marks between thousands."""
        return f"{n:,}".replace(",", self.texts["number.thousands"])

    def name(self, kind: str, value: str) -> str:
        """What people call a value that the API names; as it is where they call it nothing else."""
        return self.texts.get(f"{kind}.{value}", value)

    def listed(self, items: Sequence[str]) -> str:
        """Items in a row, with "and" before the last."""
        if len(items) < 2:
            return "".join(items)
        return self.say("list.and", first=self.row(items[:-1]), last=items[-1])

    def row(self, items: Sequence[str]) -> str:
        """Items in a row."""
        return self.texts["list.comma"].join(items)

    def instant(self, at: datetime, zone: tzinfo, zone_name: str) -> str:
        """An instant in a zone and in UTC, with the date of UTC where it is another."""
        local, utc = at.astimezone(zone), at.astimezone(UTC)
        facts = {"date": self._date(local), "time": _clock(local), "zone": zone_name, "utc": _clock(utc)}
        if utc.date() == local.date():
            return self.say("instant", **facts)
        return self.say("instant.other_day", utc_date=self._date(utc), **facts)

    def _date(self, at: datetime) -> str:
        months = self.texts["months"].split()
        return self.say("date", day=at.day, month=months[at.month - 1], year=at.year)


def forms(language: str) -> frozenset[str]:
    """The names of a language's plural forms."""
    return frozenset(map(_FORMS.get(language, _two_forms), range(200)))


def _clock(at: datetime) -> str:
    """Hours and minutes, and what is below a minute where there is any: the sentence is exact."""
    fraction = f".{at.microsecond:06}" if at.microsecond else ""
    seconds = f":{at.second:02}{fraction}" if at.second or fraction else ""
    return f"{at.hour:02}:{at.minute:02}{seconds}"
