"""What the calendar entry of a grant shows, as its mails change it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.notify.calendar import Window
from app.notify.facts import Outcome, RequestFacts
from app.notify.texts import Values, Words

CALENDARS = {"approved": "calendar", "completed": "calendar_changed", "revoked": "calendar_cancelled"}
"""The outcomes that change what a calendar shows, and the advice that says so."""


def window_of(facts: Outcome, words: Words, values: Values) -> Window | None:
    """The window for calendars: one that was given back early ends then, and one that was taken back, or was over
    before it began, is cancelled.
    """
    uid, start, end = facts.calendar_uid, facts.start, facts.end
    if uid is None or start is None or end is None or facts.result not in CALENDARS:
        return None
    window = published(facts.request, uid, (start, end), words, values)
    if facts.result == "approved":
        return window
    end = min(end, facts.ended_at or end)
    if facts.result == "revoked" or end <= start:
        return replace(window, sequence=1, cancelled=True)
    return replace(window, sequence=1, end=end)


def published(request: RequestFacts, uid: str, span: tuple[datetime, datetime], words: Words, values: Values) -> Window:
    """A window as it is first told of."""
    return Window(
        uid=uid,
        at=request.at,
        start=span[0],
        end=span[1],
        summary=words.say("calendar.summary", values).text,
        description=words.say("calendar.description", values).text,
        url=request.link,
    )
