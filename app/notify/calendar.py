"""A window of access as an iCalendar file (RFC 5545, https://www.rfc-editor.org/rfc/rfc5545; methods: RFC 5546).

`PUBLISH` tells of the window; with the same UID and a higher SEQUENCE `PUBLISH` tells how it has changed, and `CANCEL`
takes it back. Nobody is invited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_FOLD = 75


@dataclass(frozen=True, slots=True)
class Window:
    """What a calendar shows. `uid` stays the same for the life of the request; `sequence` counts the changes since this
    window was first told of, and `at` is when this version was made.
    """

    uid: str
    at: datetime
    start: datetime
    end: datetime
    summary: str
    description: str
    url: str
    sequence: int = 0
    cancelled: bool = False

    @property
    def method(self) -> str:
        """`PUBLISH` or `CANCEL`."""
        return "CANCEL" if self.cancelled else "PUBLISH"


def calendar(window: Window) -> bytes:
    """The file: UTF-8, CRLF, folded at 75 octets, times in UTC."""
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Countersign//EN",
        f"METHOD:{window.method}",
        "BEGIN:VEVENT",
        f"UID:{_text(window.uid)}",
        f"SEQUENCE:{window.sequence}",
        f"DTSTAMP:{_utc(window.at)}",
        f"DTSTART:{_utc(window.start)}",
        f"DTEND:{_utc(window.end)}",
        f"SUMMARY:{_text(window.summary)}",
        f"DESCRIPTION:{_text(window.description)}\\n {_text(window.url)}",
        f"URL:{_bare(window.url)}",
        "TRANSP:TRANSPARENT",
        f"STATUS:{'CANCELLED' if window.cancelled else 'CONFIRMED'}",
        "CLASS:PRIVATE",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    return b"".join(piece + b"\r\n" for line in lines for piece in _folded(line))


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _bare(value: str) -> str:
    """Without the controls that RFC 5545 forbids in every value, a line break among them."""
    return re.sub(r"[\x00-\x08\x0a-\x1f\x7f]", "", value)


def _text(value: str) -> str:
    """A TEXT value (section 3.3.11)."""
    escaped = re.sub(r"([\\;,])", r"\\\1", re.sub(r"\r\n?", "\n", value))
    return _bare(escaped.replace("\n", "\\n"))


def _folded(line: str) -> Iterator[bytes]:
    """The line in pieces of at most 75 octets (section 3.1), no character cut in two."""
    piece = b""
    for character in line:
        octets = character.encode()
        if len(piece) + len(octets) > _FOLD:
            yield piece
            piece = b" "
        piece += octets
    yield piece
