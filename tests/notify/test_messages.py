from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.notify.facts import Facts, ImplementationNotice, from_data, to_data
from app.notify.messages import render
from app.notify.texts import Words
from tests.notify.samples import (
    APPROVED,
    ENGINEER,
    NEEDED,
    RECEIPT,
    REQUEST,
    REVOKED,
    SAMPLES,
    SESSION_OVER,
    STANDING,
    at,
)

every = pytest.mark.parametrize("facts", SAMPLES.values(), ids=SAMPLES.keys())


@every
def test_facts_survive_the_outbox(facts: Facts) -> None:
    assert from_data(json.loads(json.dumps(to_data(facts)))) == facts


@every
def test_a_mail_is_the_same_each_time_it_is_rendered(facts: Facts) -> None:
    assert render(facts, RECEIPT) == render(facts, RECEIPT)


@every
def test_no_fact_is_left_unfilled(facts: Facts) -> None:
    message = render(facts, RECEIPT)
    assert not re.search(r"[{}]|None", message.subject + message.text)


@every
def test_html_and_text_say_the_same(facts: Facts) -> None:
    """Every word of the text part but its line ends, its labels' colons and its commas for line breaks."""
    message = render(facts, RECEIPT)
    body = re.sub(
        r"<(style|title)>.*?</\1>|<!--.*?-->|<div style=\"display:none.*?</div>", "", message.html, flags=re.DOTALL
    )
    shown = re.sub(r"<[^>]+>", " ", body)
    words = set(re.findall(r"\w+", message.text)) - {"https"}
    assert words <= set(re.findall(r"\w+", shown))


def test_the_request_reads_as_the_prototype_does() -> None:
    message = render(NEEDED, RECEIPT)
    assert message.subject == "Approval needed by 20:00 CET: Ex Libris access to Alma (2026-0042)"
    assert message.sender == "Countersign for Example University Library"
    assert message.text.startswith(
        """Ex Libris asks to use its account in your live Alma

Please read the request and approve, deny or ask a question by today,
Tue 17 Nov 2026, 20:00 CET. If nobody answers, no access is given.

Who:      Senior Support Analyst, Ex Libris, staff ID EL-20931
Why:      Repair the overnight loan notices, case 07345512
What:     Account exl_impl, Alma production (01EXU_INST), all roles
          that the account has
When:     Tue 17 Nov 2026, 14:00 to 22:00 CET (UTC+1), 8 hours

Review this request:
https://countersign.example/r/7KQ4M2XDW9TE
"""
    )
    assert "Your Ex Libris case must show the check code QH47-MARL" in message.text
    assert "You are one of 3 approvers. One approval is enough." in message.text


@every
def test_every_mail_to_the_institution_says_what_silence_or_the_outcome_means(facts: Facts) -> None:
    text = " ".join(render(facts, RECEIPT).text.split())
    assert re.search(
        r"no access is given|The gate (is closed|closes)|You need to do nothing|If you do nothing|changes nothing"
        r"|No access is given|The window stays open",
        text,
        re.IGNORECASE,
    )


def test_follow_ups_keep_the_subject_of_their_thread_whatever_the_day() -> None:
    first = render(NEEDED, RECEIPT).subject
    later = replace(REQUEST, at=at(6, day=18))
    assert render(replace(NEEDED, kind="reminder", request=later), RECEIPT).subject == f"Re: {first}"
    assert render(replace(APPROVED, request=later), RECEIPT).subject == f"Re: {first}"


def test_access_that_nobody_was_asked_for_begins_its_own_thread() -> None:
    given = render(replace(APPROVED, request=STANDING, by=None), RECEIPT).subject
    assert given == "Access given: Ex Libris in Alma (2026-0042)"
    assert render(replace(REVOKED, request=STANDING), RECEIPT).subject == f"Re: {given}"


def test_the_engineer_learns_the_outcome_in_a_mail_of_its_own() -> None:
    message = render(replace(APPROVED, request=ENGINEER), RECEIPT)
    assert message.kind == "outcome-vendor"
    assert message.subject == (
        "Approved for Tue 17 Nov 2026, 14:00 to 17:00 CET: access request 2026-0042 (case 07345512)"
    )
    assert "13:00 to 16:00 UTC" in " ".join(message.text.split())
    assert message.calendar is None


def test_only_what_was_given_or_is_over_touches_a_calendar() -> None:
    with_file = {name for name, facts in SAMPLES.items() if render(facts, RECEIPT).calendar}
    told = {facts for name, facts in SAMPLES.items() if name in with_file}
    given_or_over = {"approved", "completed", "revoked"}
    assert all(isinstance(each, ImplementationNotice) or getattr(each, "result", "") in given_or_over for each in told)
    assert b"\r\nMETHOD:PUBLISH\r\n" in (render(APPROVED, RECEIPT).calendar or b"")
    assert b"\r\nMETHOD:CANCEL\r\n" in (render(REVOKED, RECEIPT).calendar or b"")


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://a.example/ b", "//a.example", "https://a.example/\r\nX: y", ""]
)
def test_a_link_that_is_not_plain_http_is_refused(link: str) -> None:
    with pytest.raises(ValueError, match="link"):
        render(replace(NEEDED, request=replace(REQUEST, link=link)), RECEIPT)


@pytest.mark.parametrize(
    "zone,start,end,shown",
    [
        ("Europe/Vienna", at(13), at(16), "Tue 17 Nov 2026, 14:00 to 17:00 CET"),
        ("Europe/Vienna", at(21), at(5, day=18), "Tue 17 Nov 2026, 22:00 to Wed 18 Nov 2026, 06:00 CET"),
        ("America/New_York", at(13), at(16), "Tue 17 Nov 2026, 08:00 to 11:00 EST"),
        ("Asia/Kathmandu", at(1), at(2), "Tue 17 Nov 2026, 06:45 to 07:45 UTC+5:45"),
        ("UTC", at(1), at(2), "Tue 17 Nov 2026, 01:00 to 02:00 UTC"),
        (
            "Europe/Vienna",
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
            "Sun 25 Oct 2026, 02:30 CEST to 02:30 CET",
        ),
    ],
)
def test_a_span_names_day_and_zone_again_only_where_they_change(
    zone: str, start: datetime, end: datetime, shown: str
) -> None:
    assert Words("en", zone).span(start, end) == shown


@pytest.mark.parametrize(
    "minutes,shown",
    [(15, "15 minutes"), (60, "1 hour"), (90, "1 hour 30 minutes"), (1500, "1 day 1 hour"), (2880, "2 days")],
)
def test_durations_are_said_in_days_hours_and_minutes(minutes: int, shown: str) -> None:
    assert Words("en", "UTC").duration(minutes) == shown


def test_a_language_without_a_table_gets_english_whole_and_an_unknown_text_fails() -> None:
    words = Words("sv-SE", "Europe/Vienna")
    assert words.day(at(13)) == "Tue 17 Nov 2026"
    with pytest.raises(KeyError):
        words.say("no.such.text", {})
    with pytest.raises(KeyError):
        words.say("request.heading", {})


def test_the_end_of_a_session_reads_as_the_prototype_does() -> None:
    message = render(SESSION_OVER, RECEIPT)
    assert message.subject == "Re: Approval needed by 20:00 CET: Ex Libris access to Alma (2026-0042)"
    assert message.text.startswith(
        """The session has ended after 1 hour 31 minutes

Ex Libris left Alma production at 15:47 CET. The window stays open
until 17:00 CET, so another session may follow.

Who:      Senior Support Analyst, EL-20931, proved at sign-in
When:     Tue 17 Nov 2026, 14:16 to 15:47 CET, inside the approved
          window
Did:      46 events reported
Report:   Overdue Notice letter, notice job.
Recorded: 100%, by the gate, no gaps

See or end this access:
https://countersign.example/r/7KQ4M2XDW9TE

Something looks wrong? Open the request and end the access first, with
one press. Then dispute what was reported.
"""
    )
