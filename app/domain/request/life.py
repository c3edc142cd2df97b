"""The life of an access request: `evolve`, which alone changes a request, follows the table of `states`.

What time alone changes is derived by `status_at`. An entry that relies on the state is illegal while an event of the
clock is due and not recorded: whoever appends records those first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from app.domain.data import Value, replaced
from app.domain.errors import IllegalTransition, require
from app.domain.events import Entry
from app.domain.request.states import TERMINAL, TIMELESS, TRANSITIONS, UNSEEN, Status
from app.domain.terms import Terms, widened
from app.domain.times import parse_stamp
from app.domain.window import Span


@dataclass(frozen=True, slots=True)
class Vote(Value):
    """One `decision.made`, by its index."""

    index: int
    decision: str
    person: str
    verdict: str
    terms: Terms | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Grant(Value):
    """What an approved request gives. `decisions`: the indexes of the approving votes; `given_at`: when."""

    id: str
    ground: str
    standing: str | None
    decisions: tuple[int, ...]
    not_before: datetime
    not_after: datetime
    roles: tuple[str, ...]
    given_at: datetime
    ended_at: datetime | None = None
    ended_because: str | None = None

    @property
    def window(self) -> Span:
        """The instants it covers, as given."""
        return Span(self.not_before, self.not_after)


@dataclass(frozen=True, slots=True)
class AccessRequest(Value):
    """A request as its entries tell it. `digest` is of the exact bytes of its `request.created` leaf."""

    id: str
    institution: str
    digest: str
    number: str
    created_index: int
    created_at: datetime
    created_by: str
    environment: str
    account: str
    case_number: str
    escalated: bool
    severity: str
    engineer: str
    extends: str | None
    asked: Terms
    decide_by: datetime
    updated_at: datetime
    status: Status = Status.PENDING
    votes: tuple[Vote, ...] = ()
    grant: Grant | None = None
    denied_because: str | None = None

    @property
    def approving(self) -> tuple[Vote, ...]:
        """The votes that approve."""
        return tuple(vote for vote in self.votes if vote.verdict == "approve")


def asked_terms(not_before: datetime | None, minutes: int, roles: tuple[str, ...]) -> Terms:
    """What a request asks: with a fixed start, it also has a fixed end, and no grant on it is later."""
    not_after = None if not_before is None else not_before + timedelta(minutes=minutes)
    return Terms(not_before, not_after, minutes, roles)


def created(entry: Entry, digest: str) -> AccessRequest:
    """The request that a `request.created` entry makes. Raises `IllegalTransition`."""
    if entry.type != "request.created":
        raise IllegalTransition(f"{entry.type} begins no request")
    data, begins = entry.data, entry.data["not_before"]
    try:
        asked = asked_terms(None if begins is None else parse_stamp(begins), data["minutes"], tuple(data["roles"]))
    except ValueError as error:
        raise IllegalTransition(str(error)) from None
    decide_by = parse_stamp(data["decide_by"])
    if decide_by <= entry.at:
        raise IllegalTransition("decide_by: not after the request")
    return AccessRequest(
        id=entry.subject,
        institution=entry.institution,
        digest=digest,
        number=data["number"],
        created_index=entry.index,
        created_at=entry.at,
        created_by=entry.actor.id,
        environment=data["environment"],
        account=data["account"],
        case_number=data["case"],
        escalated=data["escalated"],
        severity=data["severity"],
        engineer=data["engineer"],
        extends=data["extends"],
        asked=asked,
        decide_by=decide_by,
        updated_at=entry.at,
    )


def status_at(request: AccessRequest, now: datetime) -> Status:
    """The status the clock gives, whether or not its events have been recorded."""
    if request.status is Status.PENDING:
        return Status.EXPIRED if now >= request.decide_by else Status.PENDING
    if request.grant is None or request.status in TERMINAL:
        return request.status
    if now >= request.grant.not_after:
        return Status.ELAPSED
    return Status.ACTIVE if now >= request.grant.not_before else request.status


def turns_at(request: AccessRequest, now: datetime) -> datetime | None:
    """The next instant after `now` at which time alone changes the status; null where none will."""
    if request.status is Status.PENDING:
        turns = [request.decide_by]
    elif request.grant is None or request.status in TERMINAL:
        turns = []
    else:
        turns = [request.grant.not_before, request.grant.not_after]
    return min((at for at in turns if at > now), default=None)


def evolve(request: AccessRequest, entry: Entry) -> AccessRequest:
    """The request after `entry`. Raises `IllegalTransition` and changes nothing where the entry does not fit."""
    if (entry.subject, entry.institution) != (request.id, request.institution):
        raise IllegalTransition(f"{entry.subject} is not {request.id}")
    target = TRANSITIONS[request.status].get(entry.type)
    if target is None:
        raise IllegalTransition(f"{entry.type} does not fit a request that is {request.status}")
    if entry.type not in TIMELESS and status_at(request, entry.at) is not request.status:
        raise IllegalTransition(f"{entry.type}: the request was {status_at(request, entry.at)} by then, unrecorded")
    if entry.type in UNSEEN:
        return request
    change = _CHANGES.get(entry.type)
    changes = {} if change is None else change(request, entry)
    return replaced(request, {"status": target, "updated_at": entry.at, **changes})


_Changes = Mapping[str, Any]
"""Fields of a request, and what they become."""


def _vote(request: AccessRequest, entry: Entry) -> _Changes:
    data = entry.data
    terms = None if data["terms"] is None else Terms.from_data(data["terms"])
    vote = Vote(entry.index, data["decision"], entry.actor.id, data["verdict"], terms, entry.at)
    require(len(request.approving) == len(request.votes), "a denial ended this request")
    if terms is not None:
        require(all(earlier.person != vote.person for earlier in request.votes), "this person already approved")
        require(not widened(request.asked, terms, entry.at), "the terms go beyond what was asked")
    return {"votes": (*request.votes, vote)}


def _approve(request: AccessRequest, entry: Entry) -> _Changes:
    data = entry.data
    grant = Grant(
        id=data["grant"],
        ground=data["ground"],
        standing=data["standing"],
        decisions=tuple(data["decisions"]),
        not_before=parse_stamp(data["not_before"]),
        not_after=parse_stamp(data["not_after"]),
        roles=tuple(data["roles"]),
        given_at=entry.at,
    )
    require(
        grant.decisions == tuple(vote.index for vote in request.votes), "decisions: the approving votes, all of them"
    )
    require(len(request.approving) == len(request.votes), "a denial ended this request")
    require(grant.ground != "approval" or request.votes[-1].person == entry.actor.id, "actor: the last voter")
    require(_within(grant, request.asked, entry.at), "the grant goes beyond what was asked")
    return {"grant": grant}


def _within(grant: Grant, asked: Terms, at: datetime) -> bool:
    """Whether a grant keeps what was asked, whatever the policy."""
    length = grant.not_after - grant.not_before
    return (
        timedelta() < length <= timedelta(minutes=asked.minutes)
        and grant.not_before >= max(at, asked.not_before or at)
        and (asked.not_after is None or grant.not_after <= asked.not_after)
        and set(grant.roles) <= set(asked.roles)
        and bool(grant.roles) == bool(asked.roles)
    )


def _deny(request: AccessRequest, entry: Entry) -> _Changes:
    because = entry.data["because"]
    denying = tuple(vote.index for vote in request.votes if vote.verdict == "deny")
    expected = denying if because == "decision" else tuple(vote.index for vote in request.approving)
    require(bool(denying) == (because == "decision"), "because: does not fit the votes")
    require(bool(expected) and tuple(entry.data["decisions"]) == expected, "decisions: the votes that led here")
    require(request.votes[-1].person == entry.actor.id, "actor: the last voter")
    return {"denied_because": because}


def _expire(request: AccessRequest, entry: Entry) -> _Changes:
    _effective(entry, request.decide_by)
    return {}


def _activate(request: AccessRequest, entry: Entry) -> _Changes:
    _effective(entry, _grant(request).not_before)
    return {}


def _elapse(request: AccessRequest, entry: Entry) -> _Changes:
    _effective(entry, _grant(request).not_after)
    return _ended(request, _grant(request).not_after, "elapsed")


def _complete(request: AccessRequest, entry: Entry) -> _Changes:
    return _ended(request, entry.at, "completed")


def _revoke(request: AccessRequest, entry: Entry) -> _Changes:
    return _ended(request, entry.at, entry.data["because"])


def _effective(entry: Entry, due_at: datetime) -> None:
    require(parse_stamp(entry.data["effective_at"]) == due_at <= entry.at, f"effective_at: not due as {entry.type}")


def _grant(request: AccessRequest) -> Grant:
    if request.grant is None:
        raise IllegalTransition("there is no grant")
    return request.grant


def _ended(request: AccessRequest, at: datetime, because: str) -> _Changes:
    return {"grant": replace(_grant(request), ended_at=at, ended_because=because)}


_CHANGES: Mapping[str, Callable[[AccessRequest, Entry], _Changes]] = MappingProxyType(
    {
        "decision.made": _vote,
        "request.approved": _approve,
        "request.denied": _deny,
        "request.expired": _expire,
        "request.activated": _activate,
        "request.elapsed": _elapse,
        "request.completed": _complete,
        "request.revoked": _revoke,
    }
)
