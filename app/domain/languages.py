"""The languages that people are spoken to in, and which of them a locale gets.

Names are BCP 47 tags. A language is offered once its texts are whole: the pages' in `app/web/languages/`, the mails' in
`app/notify/languages/`, the signed sentences' in this room. A locale whose language is not offered gets English.
"""

from __future__ import annotations

from collections.abc import Mapping

DEFAULT = "en"
LANGUAGES: tuple[str, ...] = ("en", "de", "es", "fr", "he", "zh-Hans")
"""What is offered."""

_RIGHT_TO_LEFT = frozenset({"he"})
_OLD_NAMES = {"iw": "he"}
_TRADITIONAL = frozenset({"hant", "tw", "hk", "mo"})


class Told(str):
    """A text for machines in English, whose parts are known, so that pages can say it in other languages."""

    __slots__ = ("text", "values")
    text: str
    values: Mapping[str, object]


def told(text: str, **values: object) -> Told:
    """The text with `%(name)s` put in, in English; a page says the same in its own language."""
    made = Told(text % values if values else text)
    made.text, made.values = text, values
    return made


def msg(text: str) -> str:
    """The text itself, marked for the catalogues: for tables whose words are translated when they are shown."""
    return text


def named(locale: str) -> str | None:
    """The language of a locale such as `de-AT` or `zh_CN`, by the name it has here; None where it is not offered."""
    first, *rest = locale.replace("_", "-").lower().split("-")
    language = _OLD_NAMES.get(first, first)
    if language == "zh" and _TRADITIONAL.isdisjoint(rest):
        language = "zh-Hans"
    return language if language in LANGUAGES else None


def language_of(locale: str) -> str:
    """The language that a locale is spoken to in."""
    return named(locale) or DEFAULT


def direction(language: str) -> str:
    """`ltr` or `rtl`."""
    return "rtl" if language in _RIGHT_TO_LEFT else "ltr"
