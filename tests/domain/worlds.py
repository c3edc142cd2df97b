"""Small worlds for the tests of the rules: an enrolled institution, its entries, and a log in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain import events, ids, institution, request
from app.domain.events import Actor, Entry, Event
from app.domain.institution import Environment, Institution, Provider
from app.domain.people import Binding, Person
from app.domain.policy import Policy
from app.domain.request import AccessRequest, Ask
from app.domain.times import stamp

NOW = datetime(2026, 11, 17, 9, 0, tzinfo=UTC)  # a Tuesday; 10:00 in Vienna
CODE = "01EXU_INST"
SHA = "sha256:" + "ab" * 32
CLIENT = Actor("client", ids.encode("cli", 1))
OPERATOR = Actor("operator", ids.encode("opr", 1))
ENGINEER = ids.encode("eng", 1)
ISSUER = "https://login.example.edu"
MINUTE = timedelta(minutes=1)


def per(number: int) -> str:
    return ids.encode("per", number)


def person(number: int, *roles: str, **changes: Any) -> Person:
    bound = Binding(ISSUER, SHA, NOW - timedelta(days=9), None)
    made = Person(per(number), tuple(sorted(roles)), (), "example.edu", SHA, bindings=(bound,))
    return replace(made, **changes)


PROVIDER = Provider(ISSUER, "countersign", "countersign-approvals", True, {}, "email", None, {})
PRODUCTION = Environment(
    "alma-production", "alma", "production", "support", "https://exu.alma.example", "https://gw.example/exu", None
)
SANDBOX = Environment(
    "esploro-sandbox",
    "esploro",
    "sandbox",
    "implementation",
    "https://exu.esploro.example",
    "https://gw.example/exu-esploro",
    "2027-03-01",
)


def library(policy: Policy | None = None, people: Iterable[Person] = (), **changes: Any) -> Institution:
    """An enrolled institution with three approvers, the first of them admin, unless told otherwise."""
    roster = list(people) or [person(1, "approver", "admin"), person(2, "approver"), person(3, "backup_approver")]
    made = Institution(
        code=CODE,
        origin="countersign.example/" + CODE,
        locale="en",
        time_zone="Europe/Vienna",
        vendor_domains=("vendor.example",),
        vendor_issuers=("https://login.vendor.example",),
        provider=PROVIDER,
        environments={found.environment: found for found in (PRODUCTION, SANDBOX)},
        people={found.id: found for found in roster},
        policy=policy or Policy(),
        enrolled_at=NOW - timedelta(days=8),
    )
    return replace(made, **changes)


def ask(**changes: Any) -> Ask:
    made = Ask(
        "alma-production",
        "exl_impl",
        "06543210",
        escalated=True,
        severity="high",
        engineer=ENGINEER,
        extends=None,
        minutes=240,
        not_before=None,
        roles=("Fulfillment Administrator", "Letter Administrator"),
    )
    return replace(made, **changes)


PERSONAL: Mapping[str, str | None] = {
    "case_title": "Nightly job fails",
    "case_url": None,
    "endorser_id": None,
    "endorser_name": None,
    "engineer_email": "e1234@vendor.example",
    "engineer_id": "e1234",
    "engineer_name": "Tier 3 engineer",
    "reason": "Read the job's configuration.",
    "works_from": None,
}


def entry(event: Event, index: int, at: datetime) -> Entry:
    """The event as an entry, through both doors of the catalogue."""
    events.check(event)
    private = {} if event.private is None else {"private": SHA}
    return events.entry_from(
        {
            "actor": {"id": event.actor.id, "kind": event.actor.kind},
            "at": stamp(at),
            "data": event.data,
            "id": ids.encode("evt", index),
            "index": index,
            "institution": CODE,
            "subject": event.subject,
            "type": event.type,
            "v": 1,
            **private,
        }
    )


def happen(state: Institution, type_: str, subject: str, actor: Actor, data: Mapping[str, Any]) -> Institution:
    """The institution after one more event, private fields made up."""
    spec = events.CATALOGUE[type_]
    private = dict.fromkeys(spec.private, "x") or None
    return institution.evolve(state, entry(Event(type_, subject, actor, data, private), 7, NOW))


def filed(state: Institution, wanted: Ask | None = None, *, now: datetime = NOW, index: int = 10) -> AccessRequest:
    """A pending request."""
    wanted = wanted or ask()
    permit = request.judge_ask(wanted, state, now)
    assert isinstance(permit, request.Permit), permit
    made = request.created_event(ids.encode("req", 1), wanted, permit, "2026-0001", CLIENT, PERSONAL)
    return request.created(entry(made, index, now), SHA)


class Log:
    """A request and the entries after its creation."""

    def __init__(self, found: AccessRequest) -> None:
        self.request = found
        self.entries: list[Entry] = []

    @property
    def index(self) -> int:
        return self.request.created_index + 1 + len(self.entries)

    def append(self, made: list[Event] | Any, at: datetime) -> None:
        assert isinstance(made, list), made
        for event in made:
            self.entries.append(entry(event, self.index, at))
            self.request = request.evolve(self.request, self.entries[-1])

    def decide(
        self, state: Institution, number: int, verdict: str, terms: request.Terms | None = None, *, now: datetime = NOW
    ) -> Any:
        """One answer; returns the refusal, or None after its events are appended."""
        self.append(request.due(self.request, now), now)
        made = request.decide(
            self.request,
            state,
            per(number),
            verdict,
            terms,
            now=now,
            index=self.index,
            grant_id=ids.encode("grt", self.index),
            decision_id=ids.encode("dec", self.index),
            evidence=[SHA] if verdict == "approve" else [],
            comment="",
        )
        if not isinstance(made, list):
            return made
        self.append(made, now)
        return None
