"""Text that others wrote, made safe to print between our own words.

What comes out has no control characters but newline and tab, no characters that change the direction of what follows,
no address that a mail program would turn into a link, and a bounded length. Markup is not touched here: escaping is the
template's work.
"""

from __future__ import annotations

import re
import unicodedata

LINE = 200
"""Characters of a name or a title (`http-api.md`, field limits)."""

PROSE = 4000
"""Characters of a reason, a comment or a message."""

_NEWLINES = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# C0 and C1 controls, lone surrogates, and the embeddings, overrides and isolates of UAX #9. The marks U+200E, U+200F
# and U+061C stay: right-to-left text needs them, and they cannot reach beyond the isolate they stand in.
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_LINKS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)


def prose(text: str, limit: int = PROSE) -> str:
    """Text of several lines; what is cut off ends in `…`, each forbidden character shows as U+FFFD."""
    text = _CONTROLS.sub("\ufffd", _NEWLINES.sub("\n", text)).strip()
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return _LINKS.sub("\u2060", text)


def line(text: str) -> str:
    """The same on one line: fit for a heading, a table cell or a header field."""
    return prose(" ".join(_NEWLINES.sub("\n", text).split()), LINE)


def isolate(text: str) -> str:
    """For plain text, which has no `<bdi>`: wraps what holds right-to-left characters in U+2068 … U+2069."""
    if any(unicodedata.bidirectional(character) in {"R", "AL", "AN"} for character in text):
        return f"\u2068{text}\u2069"
    return text
