"""Cursors of lists: where a page ended, said so that nobody builds one by hand."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TypeVar

from app.domain.errors import Refusal, Refused
from app.domain.ids import is_id

T = TypeVar("T")
_FOREIGN = Refusal.of_field("/cursor", "Give the next_cursor of the page before, as it is.")


def cursor_of(last: str) -> str:
    """The cursor of a page that ended with this id."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def page_of(items: Sequence[T], key: Callable[[T], str], limit: int, cursor: str | None) -> tuple[list[T], str | None]:
    """A page of items whose keys rise, after the one that `cursor` names, and the cursor of the next.

    Raises `Refused` for a foreign cursor.
    """
    last = "" if cursor is None else _opened(cursor)
    if last == "" and cursor is not None:
        raise Refused(_FOREIGN)
    rest = [item for item in items if key(item) > last]
    return rest[:limit], cursor_of(key(rest[limit - 1])) if len(rest) > limit else None


def open_cursor(cursor: str | None, prefix: str) -> str | None:
    """The id with which the page before ended; null for the first. Raises `Refused` for a foreign cursor."""
    if cursor is None:
        return None
    last = _opened(cursor)
    if not is_id(last, prefix):
        raise Refused(_FOREIGN)
    return last


def _opened(cursor: str) -> str:
    """What a cursor says; nothing where it is none."""
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        return ""
