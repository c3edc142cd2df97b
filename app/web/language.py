"""The language of a page: texts from Babel catalogues (`languages/*.po`, keyed by the English texts), and its locale.

One language holds for one call, kept in a context variable: a page about an institution is in that institution's
language, any other in the first one offered that the browser asks for. The catalogues are read from their sources when
first needed, so that none can be out of date. How texts are written: docs/architecture.md, *Words on pages*.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from app.domain import languages
from app.domain.languages import DEFAULT, Told
from app.notify.texts import locale_of

_MOST_ASKED = 20
_locale: ContextVar[str] = ContextVar("locale", default=DEFAULT)


def speak(locale: str) -> None:
    """From here on this call is answered in the language of this locale, with its dates and numbers."""
    _locale.set(locale if languages.named(locale) else DEFAULT)


def language() -> str:
    """The language of this call, as BCP 47 names it."""
    return languages.language_of(_locale.get())


def direction() -> str:
    """`ltr` or `rtl`."""
    return languages.direction(language())


def locale() -> Locale:
    """The locale by which dates and numbers of this call are written."""
    return locale_of(_locale.get())


def asked_for(header: str) -> str:
    """The language that an `Accept-Language` header (RFC 9110, 12.5.4) likes best of those offered."""
    wanted: list[tuple[float, int, str]] = []
    for part in header.split(",")[:_MOST_ASKED]:
        tag, _, weight = part.strip().partition(";")
        found = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", weight) if weight else None
        weighs = float(found[1]) if found else 0.0 if weight else 1.0
        name = languages.named(tag.strip())
        if name is not None and weighs > 0:
            wanted.append((-weighs, len(wanted), name))
    return min(wanted)[2] if wanted else DEFAULT


def translated(text: str) -> str:
    """The text in the language of this call."""
    return _catalogue(language()).gettext(text)


def counted(one: str, many: str, n: int) -> str:
    """The form for `n` in the language of this call."""
    return _catalogue(language()).ngettext(one, many, n)


def in_context(context: str, text: str) -> str:
    """The text in the meaning that `context` names: for short words that other languages tell apart."""
    return _catalogue(language()).pgettext(context, text)


def counted_in_context(context: str, one: str, many: str, n: int) -> str:
    """The form for `n` in the meaning that `context` names."""
    return _catalogue(language()).npgettext(context, one, many, n)


def _(text: str, **values: object) -> str:
    """The text in the language of this call, with `%(name)s` put in."""
    found = translated(text)
    return found % values if values else found


def ngettext(one: str, many: str, n: int, **values: object) -> str:
    """The form for `n`, with `%(name)s` put in; `n` itself is `%(n)s`."""
    return counted(one, many, n) % {**values, "n": n}


def of_others(text: str) -> str:
    """What an action or the domain said, in the language of this call where the catalogue has it, else as it is."""
    return _(text.text, **text.values) if isinstance(text, Told) else translated(text)


@cache
def _catalogue(name: str) -> NullTranslations:
    if name == DEFAULT:
        return NullTranslations()
    source = files("app.web").joinpath(f"languages/{name}.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(source), locale=name.replace("-", "_")))
    return GNUTranslations(BytesIO(compiled.getvalue()))
