"""The running service driven at random, against the pure domain as its model.

The model knows no database, no cookies and no HTTP: it is an institution, requests, standing approvals and tokens, and
says before each step what the rules make of it: a refusal, or the events to be appended. After the step the entries
that were appended have to be those; they are folded into the model, and what API and rows tell has to be the model's
state. Time stands still between steps, so that both judge by one instant.
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.errors import Refusal, Refused
from app.domain.events import SERVICE, Entry, Event
from app.domain.institution import Institution, evolve
from app.domain.request import (
    AccessRequest,
    Ask,
    Status,
    approvals,
    created,
    due,
    reassess,
    status_at,
)
from app.domain.request import evolve as evolve_request
from app.domain.standing import StandingApproval, given
from app.domain.standing import evolve as evolve_standing
from app.domain.standing_rules import Unfit, standing_grant, still_holds
from app.storage import entries, requests, standing
from app.trail import canonical
from tests.actions.worlds import CODE, World

# What tells of a step but changes nothing that is compared: mails, sign-ins, refusals counted by the minute.
UNCOMPARED = frozenset(
    {
        *("mail.queued", "sign_in.succeeded", "sign_in.refused", "sign_out.done", "identity_provider.keys_seen"),
        *("decision.refused", "request.refused", "token.refused", "request.reminded", "request.escalated"),
        *("trail.exported", "token.revoked"),
    }
)
_RUNNING = frozenset({Status.APPROVED, Status.ACTIVE})
Key = tuple[str, str, str]
"""An event as it is compared: type, subject (its kind, where it is new), and what decides in its data."""


@dataclass
class Token:
    """A token that was minted."""

    request: str
    access_token: str
    exp: int
    revoked: bool = False


@dataclass
class Model:
    """What should be true."""

    institution: Institution
    size: int
    requests: dict[str, AccessRequest] = field(default_factory=dict)
    standing: dict[str, StandingApproval] = field(default_factory=dict)
    tokens: list[Token] = field(default_factory=list)

    def fold(self, entry: Entry, leaf: bytes) -> None:
        """One more entry. Raises `IllegalTransition` for one that the rules do not allow."""
        self.institution = evolve(self.institution, entry)
        if entry.type == "request.created":
            self.requests[entry.subject] = created(entry, canonical.sha(leaf))
        elif entry.subject in self.requests:
            self.requests[entry.subject] = evolve_request(self.requests[entry.subject], entry)
        used = entry.data.get("standing") if entry.type == "request.approved" else None
        if entry.type.startswith("standing_approval.") or used is not None:
            self._fold_standing(used or entry.subject, entry)

    def _fold_standing(self, standing_id: str, entry: Entry) -> None:
        before = self.standing.get(standing_id)
        self.standing[standing_id] = given(None, entry) if before is None else evolve_standing(before, entry)

    def due_of(self, request_id: str, now: datetime) -> list[Event]:
        """What the clock is due on a request."""
        return due(self.requests[request_id], now)

    def follows(self, change: Event, now: datetime) -> list[Event]:
        """What a change of the institution appends: what the clock was due, itself, and what ends with it."""
        found: list[Event] = []
        running: list[AccessRequest] = []
        for request in self.requests.values():
            if request.status in _RUNNING:
                found += due(request, now)
                if status_at(request, now) in _RUNNING:
                    running.append(request)
        found.append(change)
        changed = evolve(self.institution, placed(change, self.size, now))
        for request in running:
            if reassess(request, changed, now):
                found.append(Event("request.revoked", request.id, SERVICE, {"because": "rules"}, {"reason": ""}))
        return [*found, *self.unfit(changed)]

    def unfit(self, changed: Institution) -> list[Event]:
        """The ends of standing approvals that a changed institution brings."""
        alive = [each for each in self.standing.values() if each.ended_because is None]
        gone = [each for each in alive if not still_holds(each, changed)]
        return [Event("standing_approval.ended", each.id, SERVICE, {"because": "rules"}) for each in gone]

    def serving(self, request: AccessRequest, now: datetime) -> list[Event]:
        """What is appended where a standing approval serves a request that was just made; else nothing."""
        for each in sorted(self.standing.values(), key=lambda one: one.id):
            if each.ended_because is None and each.open_at(now):
                events = standing_grant(request, self.institution, each, now, "grt")
                if not isinstance(events, Unfit):
                    last = each.used + 1 >= each.uses
                    ended = Event("standing_approval.ended", each.id, SERVICE, {"because": "used"})
                    return [*events, *([ended] if last else [])]
        return []


def placed(event: Event, index: int, now: datetime) -> Entry:
    """The event as the entry that it would be."""
    return Entry(index, "", now, CODE, event.type, event.subject, event.actor, event.data, None)


def key_of(event: Event | Entry, known: Collection[str]) -> Key:
    """What of an event is compared; of a request or standing approval that is not `known`, that it is new."""
    subject = event.subject
    new = subject[:4] in {"req_", "sta_", "chg_"} and subject not in known
    told = {name: value for name, value in event.data.items() if name not in _CHANCE}
    return event.type, subject[:3] if new else subject, json.dumps(told, sort_keys=True)


# Ids and hashes that nobody can say before, and what follows from them.
_CHANCE = frozenset(
    {
        *("grant", "decision", "evidence", "jti", "token_digest", "iat", "nbf", "exp", "number", "bound"),
        *("change", "data_digest", "sub_digest"),
    }
)


class Divergence(AssertionError):
    """Service and model say different things."""


@dataclass
class Machine:
    """One life of an institution: rules are chosen at random, each a step of the service and of the model."""

    world: World
    chosen: random.Random
    model: Model
    steps: int = 0
    done: dict[str, int] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.world.now()

    async def step(
        self, name: str, act: Callable[[], Awaitable[Any]], expected: Iterable[Event] | Refusal, *, exact: bool = True
    ) -> Any:
        """Do it, and compare: the problem it is refused with, and what was appended. The answer of a step not refused.

        A refused step may still record what the clock was due of a request, as may one that is not `exact`.
        """
        self.steps += 1
        refusal = expected if isinstance(expected, Refusal) else None
        answer: Any = None
        problem: str | None = None
        try:
            answer = await act()
        except Refused as refused:
            problem = refused.refusal.problem
        wanted = None if refusal is None else refusal.problem
        if problem != wanted:
            raise Divergence(f"{name}: the service says {problem}, the model {wanted}")
        self.done[f"{name}: {problem or 'done'}"] = self.done.get(f"{name}: {problem or 'done'}", 0) + 1
        events = [] if isinstance(expected, Refusal) else list(expected)
        await self._compare(name, events, exact=exact and refusal is None)
        return answer

    async def _compare(self, name: str, expected: Sequence[Event], *, exact: bool) -> None:
        async with self.world.services.database.read() as tx:
            stored = await entries.read_leaves(tx, CODE, self.model.size, 1 << 31)
        clock = {"request.expired", "request.activated", "request.elapsed"}
        seen = [each.entry for each in stored if each.entry.type not in UNCOMPARED]
        known = self.model.requests.keys() | self.model.standing.keys() | self.model.institution.changes.keys()
        told = sorted(key_of(each, known) for each in seen)
        wanted = sorted(key_of(each, known) for each in expected)
        if not exact:  # a refused step records what the clock was due of its request, and no more
            due_now = [event for request in self.model.requests.values() for event in due(request, self.now)]
            allowed = {key_of(each, known) for each in due_now}
            wanted += [each for each in told if each in allowed and each[0] in clock]
        if told != sorted(wanted):
            raise Divergence(f"{name}: appended {told}, the model says {wanted}")
        touched = {each.entry.subject for each in stored}
        for each in stored:
            self.model.fold(each.entry, each.leaf)
        self.model.size += len(stored)
        await self.agree(touched)

    async def agree(self, touched: Iterable[str] | None = None) -> None:
        """The rows say what the model says, of all that was touched (of everything)."""
        chosen = None if touched is None else set(touched)
        async with self.world.services.database.read() as tx:
            for request in self.model.requests.values():
                if chosen is None or request.id in chosen:
                    row = await requests.read(tx, request.id, CODE)
                    if row is None or AccessRequest.from_data(row.state) != request:
                        raise Divergence(f"the row of {request.id} differs from the model")
            for approval in self.model.standing.values():
                if chosen is None or approval.id in chosen:
                    kept = await standing.read(tx, CODE, approval.id)
                    if kept is None or StandingApproval.from_data(kept.state) != approval:
                        raise Divergence(f"the row of {approval.id} differs from the model")

    def shown(self, request: AccessRequest) -> dict[str, Any]:
        """What the API has to tell of a request now."""
        required, given = approvals(request, self.model.institution, self.now)
        grant = request.grant
        return {
            "status": status_at(request, self.now).value,
            "approvals": {"required": required, "given": given},
            "decisions": [vote.verdict for vote in request.votes],
            "grant": None if grant is None else [grant.id, list(grant.roles)],
        }

    def anybody(self) -> str:
        """The address of somebody, gone or not."""
        return self.chosen.choice(sorted(self.world.people))

    def request(self, *statuses: Status) -> AccessRequest | None:
        """One of the requests, by preference one that the clock sees in one of these states."""
        every = list(self.model.requests.values())
        fitting = [each for each in every if status_at(each, self.now) in statuses]
        pool = fitting if fitting and self.chosen.random() < 0.8 else every[-40:]
        return self.chosen.choice(pool) if pool else None


def asked_of(world: World, new: Any) -> Ask:
    """The words of a request as the rules judge them."""
    return Ask(
        environment=new.environment, account=new.account, case_number=new.case_number, escalated=new.escalated,
        severity=new.severity, engineer=world.services.secrets.engineer_id(new.engineer_id), extends=new.extends,
        minutes=new.minutes, not_before=new.not_before, roles=tuple(sorted(set(new.roles))),
    )  # fmt: skip
