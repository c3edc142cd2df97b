"""Cursors of lists: where a page ended, said so that nobody builds one by hand."""

from __future__ import annotations

import base64

from app.domain.errors import Refusal, Refused
from app.domain.ids import is_id


def cursor_of(last: str) -> str:
    """The cursor of a page that ended with this id."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def open_cursor(cursor: str | None, prefix: str) -> str | None:
    """The id with which the page before ended; null for the first. Raises `Refused` for a foreign cursor."""
    if cursor is None:
        return None
    try:
        last = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        last = ""
    if not is_id(last, prefix):
        raise Refused(Refusal.of_field("/cursor", "Give the next_cursor of the page before, as it is."))
    return last
