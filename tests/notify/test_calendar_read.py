"""Calendar files in a mail, read back by a library of others, through the whole life of a window."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage
from typing import Any, cast

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.notify.calendar import calendar
from app.notify.facts import Facts, Outcome
from app.notify.safe_text import line
from tests.notify.samples import APPROVED, REVOKED, SAMPLES, UID, at
from tests.notify.test_calendar import WINDOW
from tests.notify.test_mail import HOSTILE, poisoned, read

COMPLETED = replace(APPROVED, result="completed", ended_at=at(15))
NEVER_BEGUN = replace(APPROVED, result="completed", ended_at=at(12))


def _part(mail: EmailMessage) -> EmailMessage:
    return next(part for part in mail.iter_attachments() if part.get_filename() == "window.ics")


def _read(facts: Facts) -> tuple[Any, Any]:
    """The calendar of a mail, and its one event."""
    part = _part(read(facts))
    found = icalendar.Calendar.from_ical(cast("bytes", part.get_payload(decode=True)))
    assert part.get_param("method") == found["METHOD"], "the MIME method is the file's"
    (event,) = found.walk("VEVENT")
    assert not found.errors
    assert not event.errors
    return found, event


@pytest.mark.parametrize(
    "facts,method,status,sequence,end",
    [
        (APPROVED, "PUBLISH", "CONFIRMED", 0, at(16)),
        (COMPLETED, "PUBLISH", "CONFIRMED", 1, at(15)),
        (REVOKED, "CANCEL", "CANCELLED", 1, at(16)),
        (NEVER_BEGUN, "CANCEL", "CANCELLED", 1, at(16)),
    ],
    ids=["given", "given back", "taken back", "given back before it began"],
)
def test_a_window_is_told_changed_and_taken_back(
    facts: Outcome, method: str, status: str, sequence: int, end: object
) -> None:
    found, event = _read(facts)
    assert (found["METHOD"], event["STATUS"], event["SEQUENCE"], event["UID"]) == (method, status, sequence, UID)
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (at(13), end)
    assert event["SUMMARY"] == "Ex Libris access to Alma production (approved)"
    assert event["URL"] == facts.request.link
    assert not event.get("ATTENDEE")
    assert not event.get("ORGANIZER")


def test_each_sample_with_a_calendar_has_one_whose_uid_is_its_grants() -> None:
    with_calendar = [facts for facts in SAMPLES.values() if getattr(facts, "calendar_uid", None)]
    told = [facts for facts in with_calendar if getattr(facts, "result", "") != "disputed"]
    told = [facts for facts in told if facts.kind != "outcome-vendor"]
    assert len(told) > 5
    assert {str(_read(facts)[1]["UID"]) for facts in told} == {UID}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("facts", [APPROVED, COMPLETED, REVOKED], ids=["given", "given back", "taken back"])
def test_hostile_text_stays_text_in_a_calendar(facts: Outcome, text: str) -> None:
    found, event = _read(poisoned(facts, text))
    calm = _read(facts)[1]
    assert found["METHOD"] == ("CANCEL" if facts is REVOKED else "PUBLISH")
    assert event.keys() == calm.keys()
    assert not set("\r\n\x00\x1b\x85\u2028\u202e") & set(str(event["SUMMARY"]))
    assert event["URL"] == calm["URL"]
    assert str(event["DESCRIPTION"]).endswith(str(calm["URL"]))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_name_comes_back_as_it_stands_in_the_mail(text: str) -> None:
    shown = line(text)
    (event,) = icalendar.Calendar.from_ical(calendar(replace(WINDOW, summary=shown))).walk("VEVENT")
    assert str(event["SUMMARY"]) == shown
