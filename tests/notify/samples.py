"""The figures of the prototypes as facts: Tue 17 Nov 2026 in Vienna, one sample of every kind and outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

from app.notify.facts import (
    ApprovalNeeded,
    Conversation,
    Facts,
    ImplementationNotice,
    Outcome,
    Remark,
    RequestFacts,
    SessionEnd,
    SessionNotice,
)
from app.notify.settings_facts import (
    ChangeFacts,
    ChangeNotice,
    Digest,
    FindingNotice,
    Item,
    News,
    ReviewDue,
    StandingOffered,
    Turn,
)

RECEIPT = (
    "countersign.example/01EXU_INST\n2292\ncB52VILaIQ9LZKRoYjol5MkToAPRHpN5D3oNrmjD+FU=\n\n"
    "— countersign.example/01EXU_INST QVbVlHv3zfHfmI9dcG0JtqmWM9id+ZEv8RIfY/IhtLGPl40ANEiYd4IAtMtJpiL9UXP0dbPImjHkmP"
    "VYVROieerdNvQ=\n"
).encode()


def at(hour: int, minute: int = 0, day: int = 17) -> datetime:
    """An instant of November 2026, hours in UTC (Vienna is one ahead)."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


REQUEST = RequestFacts(
    reader="approver",
    at=at(11),
    institution="Example University Library",
    code="01EXU_INST",
    locale="en",
    time_zone="Europe/Vienna",
    vendor="Ex Libris",
    product="Alma",
    tier="production",
    account="exl_impl",
    engineer="Senior Support Analyst",
    engineer_id="EL-20931",
    case_number="07345512",
    case_title="Repair the overnight loan notices",
    number="2026-0042",
    check_code="QH47-MARL",
    asked_at=at(11),
    decide_by=at(19),
    start=at(13),
    end=at(21),
    minutes=480,
    roles=(),
    ground="approval",
    link="https://countersign.example/r/7KQ4M2XDW9TE",
)
BACKUP = replace(REQUEST, reader="backup_approver")
ENGINEER = replace(REQUEST, reader="engineer", link="https://support.vendor.example/cases/07345512")
NOTICE = replace(REQUEST, reader="notice", ground="implementation")
STANDING = replace(REQUEST, ground="standing")
UID = "req_01kdj4t8xqf5tb7rqk3mw2zn9c@countersign.example"
HEAD = "Head of Library Systems"
NEEDED = ApprovalNeeded("request", REQUEST, 3, 1, 0, "login.example.edu")
ASKED = Remark("institution", "Systems Librarian", at(11, 14), "Which letter template do you need to change?")
ANSWERED = Remark(
    "vendor", "Senior Support Analyst, Ex Libris", at(11, 22), "Only the Overdue Notice letter.\nThree hours."
)
APPROVED = Outcome(
    REQUEST,
    "approved",
    HEAD,
    start=at(13),
    end=at(16),
    roles=("Fulfillment Administrator", "Letter Administrator"),
    words="Please call first.",
    calendar_uid=UID,
)
REVOKED = replace(APPROVED, result="revoked", because="approver", ended_at=at(14), words="Enough.")

SESSION_OVER = SessionNotice(
    "ended",
    REQUEST,
    at(13, 16),
    at(16),
    None,
    ended_at=at(14, 47),
    because="ended",
    open_s=5460,
    covered_s=5460,
    events=46,
    words="Overdue Notice letter, notice job.",
)

SETTINGS = ChangeFacts(
    reader="admin",
    at=at(11),
    institution="Example University Library",
    code="01EXU_INST",
    locale="en",
    time_zone="Europe/Vienna",
    link="https://countersign.example/settings/changes/chg_01kdg9w2mtf0ab3c8r5ynq7zxe",
)
FOUND = FindingNotice(
    event="sign-in",
    change=replace(SETTINGS, reader="keeper", link="https://countersign.example/accounts"),
    vendor="Ex Libris",
    product="Alma",
    tier="production",
    items=("exl_impl, 2026-11-14T01:41:12Z, from 203.0.113.90",),
    count=1,
)
LONGER = ChangeNotice(
    "proposed",
    SETTINGS,
    ("Longest window: 480 minutes to 1,440 minutes",),
    (Turn("longest window", "480 minutes", "1,440 minutes"),),
    by=HEAD,
    loosens=True,
    lapses_at=at(11, day=30),
)


REVIEW = ReviewDue(SETTINGS, 12, at(9, day=1), at(11, day=30))
OFFERED = StandingOffered(
    replace(SETTINGS, reader="giver"), HEAD, 1, "alma-production", None, ("Fulfillment Administrator",), 240, 3,
    at(23, day=30),
)  # fmt: skip


def _item(news: News, number: str) -> Item:
    return Item(
        news=news,
        at=at(11),
        product="Alma",
        tier="production",
        case_number="07345512",
        number=number,
        check_code="QH47-MARL",
        decide_by=at(19),
        start=at(13),
        end=at(21),
        minutes=480,
    )


DIGEST = Digest(
    replace(SETTINGS, reader="giver", link="https://countersign.example/requests"),
    "Ex Libris",
    tuple(_item(news, f"2026-{42 + place:04}") for place, news in enumerate(get_args(News))),
    6,
)


def _outcomes(request: RequestFacts, who: str) -> dict[str, Facts]:
    made = {
        "approved": replace(APPROVED, request=request),
        "approved in full": Outcome(request, "approved", HEAD, start=at(13), end=at(21)),
        "denied": Outcome(request, "denied", HEAD, "decision", words="Not tonight."),
        "denied for want of a window": Outcome(request, "denied", HEAD, "empty-intersection"),
        "expired": Outcome(request, "expired"),
        "withdrawn": Outcome(request, "withdrawn", words="Solved otherwise."),
        "revoked": replace(REVOKED, request=request),
        "revoked by a stop code": replace(REVOKED, request=request, by=None, because="stop-code"),
        "revoked by the rules": replace(REVOKED, request=request, by=None, because="rules"),
        "disputed": replace(APPROVED, request=request, result="disputed", words="A rule was saved."),
        "completed": replace(APPROVED, request=request, result="completed", ended_at=at(15), words="Repaired."),
    }
    return {f"{name}, to the {who}": facts for name, facts in made.items()}


SAMPLES: dict[str, Facts] = {
    "request": NEEDED,
    "request for several": replace(NEEDED, told=1, required=2),
    "request from the approval on": replace(NEEDED, request=replace(REQUEST, start=None, end=None)),
    "reminder": replace(NEEDED, kind="reminder", next_reminder_at=at(17), escalates_at=at(15)),
    "reminder with one approval": replace(NEEDED, kind="reminder", required=2, given=1),
    "escalation": replace(NEEDED, kind="escalation", request=BACKUP),
    **_outcomes(REQUEST, "approvers"),
    **_outcomes(ENGINEER, "engineer"),
    "approved on a standing approval": replace(APPROVED, request=STANDING, by=None),
    "answer": Conversation(REQUEST, True, ANSWERED, ASKED),
    "message of the vendor": Conversation(REQUEST, False, ANSWERED),
    "question of a colleague": Conversation(REQUEST, True, ASKED),
    "question to the engineer": Conversation(ENGINEER, True, ASKED, ANSWERED),
    "message to the engineer": Conversation(ENGINEER, False, ASKED),
    "session opened at the gate": SessionNotice("opened", REQUEST, at(13, 16), at(16), None),
    "session opened at a gateway": SessionNotice("opened", REQUEST, at(13, 16), at(16), "support-gateway"),
    **{f"session over: {because}": replace(SESSION_OVER, because=because) for because in get_args(SessionEnd)},
    "session over with its window": replace(SESSION_OVER, until=None, because="revoked", words=""),
    "session over with gaps": replace(SESSION_OVER, supplied_by="support-gateway", covered_s=4000, gaps=2, events=1),
    "implementation": ImplementationNotice(NOTICE, at(13), at(13, day=30)),
    "implementation, to approvers": ImplementationNotice(
        replace(NOTICE, reader="approver"), at(13), at(13, day=30), UID
    ),
    "digest": DIGEST,
    "digest of a flood": replace(DIGEST, items=DIGEST.items[:1] * 40, count=250),
    "digest for an address": replace(DIGEST, change=replace(DIGEST.change, reader="address"), items=DIGEST.items[3:4]),
    "change proposed": LONGER,
    "changes proposed": replace(LONGER, titles=("Policy: 2 points", "New person: Head"), turns=(), loosens=False),
    "change applied": replace(LONGER, event="applied", lapses_at=None, follows=True),
    "change rejected": replace(LONGER, event="rejected", lapses_at=None, follows=True, words="Not in December."),
    "changes lapsed": replace(LONGER, event="lapsed", titles=("One", "Another"), turns=(), by=None, follows=True),
    "finding of a sign-in": FOUND,
    "findings of a scan": replace(
        FOUND,
        event="accounts",
        items=("“Ex Libris, Support” (EXL_SD): active, 4 roles", "exl_impl is missing"),
        count=14,
    ),
    "finding, to the vendor": replace(FOUND, change=replace(FOUND.change, reader="vendor_auditor")),
    "change of a person": replace(LONGER, event="applied", change=replace(SETTINGS, reader="person")),
    "review of people due": REVIEW,
    "review of one person due": replace(REVIEW, people=1),
    "standing approval waits": OFFERED,
    "standing approval of a case waits": replace(OFFERED, more=2, place=None, case_number="07345512", roles=(), uses=1),
    "change of the addresses": replace(LONGER, event="applied", change=replace(SETTINGS, reader="address")),
}
