"""Replay of access requests: each entry is what the domain's commands would have appended at that instant.

A decision is made again by `request.decide`; what that gives beyond the vote must follow in the same append. A grant
that nothing before it led to is a finding, whoever signed what.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from app.audit.countersignature import judge_countersignature, judge_statement, shows_role
from app.audit.evidence import SignedIn
from app.audit.findings import Fault
from app.audit.vendorfacts import IN_FLIGHT
from app.audit.world import ANY, Fields, GrantRow, World
from app.domain.errors import IllegalTransition, Refusal
from app.domain.events import Entry, Event
from app.domain.institution import eligible
from app.domain.people import DECIDING_ROLES
from app.domain.request import (
    AccessRequest,
    Ask,
    Status,
    Terms,
    created,
    decide,
    evolve,
    implementation_grant,
    judge_ask,
    reassess,
    status_at,
)
from app.domain.sentences import TABLES
from app.domain.statement import Approval, approval_text, comment_input
from app.domain.times import stamp
from app.trail import canonical

_NUMBER = re.compile(r"(\d{4})-(\d{4,9})")
HOLE, _MAX_NAME = "\ue000", 200
_RUNNING = frozenset({Status.APPROVED, Status.ACTIVE})


def request_created(world: World, entry: Entry, part: Fields | None, digest: str) -> None:
    """The vendor asks: the ask is allowed, its deadline right; on a ground of its own, its approval follows."""
    institution, ask = world.institution, Ask.from_data(entry.data)
    if entry.subject in world.requests:
        raise Fault("request-twice", "a request of this id was made before")
    request = created(entry, digest)
    world.requests[entry.subject] = request
    if part is not None:
        world.engineers[entry.subject] = part
    _number(world, entry)
    permit = judge_ask(ask, institution, entry.at)
    if isinstance(permit, Refusal):
        raise Fault(f"ask-{permit.problem}", f"the rules refuse this request: {permit.detail}")
    if stamp(permit.decide_by) != entry.data["decide_by"]:
        raise Fault("decide-by", f"the rules give until {stamp(permit.decide_by)} to answer")
    if ask.extends is not None and world.sources.whole and ask.extends not in world.requests:
        raise Fault("extends-unknown", "the request extends one that is not in the trail")
    if permit.ground is not None:
        _follow(world, implementation_grant(request, institution, entry.at, ANY))


def _number(world: World, entry: Entry) -> None:
    """Numbers rise within a year; the year is that of the institution's clock, or of UTC."""
    match = _NUMBER.fullmatch(entry.data["number"])
    years = {str(entry.at.year), str(entry.at.astimezone(world.institution.zone).year)}
    if match is None or match[1] not in years:
        raise Fault("number", "the request's number is not of its year")
    last_year, last = world.last_number
    number = int(match[2])
    if match[1] == last_year and number <= last:
        raise Fault("number", f"the number does not rise: {entry.data['number']} after {last:04}")
    world.last_number = (match[1], number)


def decision_made(world: World, entry: Entry, part: Fields | None) -> None:
    """An approver answers: they may, their countersignature holds, and the outcome follows."""
    request, institution, data = _request(world, entry), world.institution, entry.data
    terms = None if data["terms"] is None else Terms.from_data(data["terms"])
    outcome = decide(
        request,
        institution,
        entry.actor.id,
        data["verdict"],
        terms,
        now=entry.at,
        index=entry.index,
        grant_id=ANY,
        decision_id=data["decision"],
        evidence=data["evidence"],
        comment="",
        own_request=_own(world, entry),
    )
    if isinstance(outcome, Refusal):
        with suppress(IllegalTransition):  # the refusal says it better
            _advance(world, request, entry)
        raise Fault(f"decision-{outcome.problem}", f"the rules refuse this answer: {outcome.detail}")
    _advance(world, request, entry)
    _follow(world, outcome[1:])
    if data["verdict"] == "approve" and terms is not None:
        signed = world.signed_in(entry, countersigned=True)
        if signed is not None:
            _countersigned(world, entry, part, request, signed, terms)


def _own(world: World, entry: Entry) -> bool:
    """Whether the approver is the request's engineer, as far as their addresses are at hand."""
    engineer = world.engineers.get(entry.subject)
    email = None if engineer is None else engineer["engineer_email"]
    return email is not None and email.lower() == world.emails.get(entry.actor.id)


def _countersigned(
    world: World, entry: Entry, part: Fields | None, request: AccessRequest, signed: SignedIn, terms: Terms
) -> None:
    institution, keys = world.institution, world.keys()
    expected = {
        "origin": institution.origin,
        "institution": institution.code,
        "request": request.id,
        "request_digest": request.digest,
        "verdict": "approve",
        "terms": entry.data["terms"],
        "policy_digest": world.policy_digest(),
        "iss": institution.provider.issuer,
    }
    statement = judge_statement(signed, "countersign/decision/1", expected)
    if part is not None:
        said = canonical.sha(canonical.encode(comment_input(part["comment"] or "", statement["salt"])))
        if statement["comment_digest"] != said:
            raise Fault("statement-differs", "what was signed says another comment than the entry")
    _judge_text(world, request, statement["text"], terms)
    identity = judge_countersignature(signed, statement, entry.at, institution.provider, institution.policy, keys)
    world.know_subject(entry.actor.id, identity.iss, identity.sub)
    world.saw(identity)
    person = institution.people.get(entry.actor.id)
    if person is not None and not shows_role(person, identity.claims, institution.provider, DECIDING_ROLES):
        raise Fault("role-not-shown", "the approver's sign-in does not carry the role")


def _judge_text(world: World, request: AccessRequest, text: str, terms: Terms) -> None:
    """The sentence signed is the one these terms have in some language. The vendor's name stands in its own log."""
    engineer, institution = world.engineers.get(request.id), world.institution
    if engineer is None or request.environment not in institution.environments:
        return
    approval = Approval(
        vendor=HOLE,
        engineer_name=engineer["engineer_name"] or "",
        engineer_id=engineer["engineer_id"] or "",
        account=request.account,
        environment=institution.environments[request.environment],
        institution=world.name or institution.code,
        case_number=request.case_number,
        terms=terms,
        zone=institution.zone,
        zone_name=HOLE,
    )
    by_code = replace(approval, institution=institution.code)
    if not any(reads(approval_text(each, name), text) for name in TABLES for each in (approval, by_code)):
        raise Fault("text-differs", "the sentence that was signed is not that of these terms")


def reads(form: str, text: str) -> bool:
    """Whether `text` is `form` with a name of at most 200 characters in each hole."""
    first, *others = form.split(HOLE)
    if not text.startswith(first):
        return False
    place = len(first)
    for piece in others:
        found = text.find(piece, place, place + _MAX_NAME + len(piece))
        if found < 0:
            return False
        place = found + len(piece)
    return place == len(text)


def request_approved(world: World, entry: Entry, _: Fields | None) -> None:
    """A grant: only ever as the outcome of what stands before it in the same append, or on a standing approval."""
    request = _request(world, entry)
    _advance(world, request, entry)
    grant = world.requests[entry.subject].grant
    if grant is None or grant.id in world.grant_ids:
        raise Fault("grant-twice", "a grant of this id was given before")
    world.grant_ids.add(grant.id)
    world.grants.append(
        GrantRow(
            index=entry.index,
            request=request.id,
            number=request.number,
            environment=request.environment,
            ground=grant.ground,
            not_before=grant.not_before,
            not_after=grant.not_after,
            roles=grant.roles,
            approvers=tuple(vote.person for vote in request.approving),
        )
    )


def outcome(world: World, entry: Entry, _: Fields | None) -> None:
    """What ends or moves a request; the table of states says whether it may."""
    _advance(world, _request(world, entry), entry)


def request_revoked(world: World, entry: Entry, _: Fields | None) -> None:
    """Access is taken back: by an approver, by a stop code, or because the rules would not give it today."""
    request, because = _request(world, entry), entry.data["because"]
    world.paid(f"revoked {request.id}")
    stopped = world.paid(f"stopped {request.id}")
    refused = reassess(request, world.institution, entry.at)
    _advance(world, request, entry)
    if (because == "approver") != (entry.actor.kind == "person"):
        raise Fault("revoked-by", "the actor does not fit the reason")
    if because == "approver":
        _as_approver(world, entry, request)
    if because == "stop-code" and not stopped:
        raise Fault("revoked-without-code", "no stop code was used in this append")
    if because == "rules" and not refused and not _client_gone(world, request, entry.at):
        raise Fault("revoked-by-no-rule", "the rules would still give this grant")


def _client_gone(world: World, request: AccessRequest, at: datetime) -> bool:
    """Whether the request's client was revoked by then, or just after; without the vendor's entries nobody can tell."""
    revoked_at = world.client_revoked(request)
    return world.sources.vendor is None or (revoked_at is not None and at + IN_FLIGHT >= revoked_at)


def judge_kept(world: World, request: AccessRequest, entry: Entry) -> None:
    """A running grant ends with the client that filed its request: it does not run on to `entry`."""
    revoked_at = world.client_revoked(request)
    if revoked_at is None or entry.at <= revoked_at + IN_FLIGHT:
        return
    if status_at(request, revoked_at + IN_FLIGHT) in _RUNNING:
        world.find(entry, "grant-kept", f"the client of {request.id} was revoked, but its grant ran on")


def stop_code_used(world: World, entry: Entry, _: Fields | None) -> None:
    """A stop code ends all access: every running grant, in this append."""
    if set(entry.data["revoked"]) != world.running and world.sources.whole:
        raise Fault("stop-code", "the stop code did not end every running grant")
    for request in entry.data["revoked"]:
        if request in world.requests:
            world.owe(f"stopped {request}", entry, "stop-code", f"{request} was to be revoked in this append")


def message_sent(world: World, entry: Entry, _: Fields | None) -> None:
    """Approver and engineer write to each other."""
    request = _request(world, entry)
    _advance(world, request, entry)
    if (entry.data["from"] == "institution") != (entry.actor.kind == "person"):
        raise Fault("message-from", "the actor is of the other side")
    if entry.actor.kind == "person":
        _as_approver(world, entry, request)


def disputed(world: World, entry: Entry, _: Fields | None) -> None:
    """The institution disputes what was done."""
    request = _request(world, entry)
    _advance(world, request, entry)
    finding = entry.data["finding"]
    world.owe(f"disputed {finding}", entry, "dispute-unfound", "the dispute was to open its finding in this append")
    _as_approver(world, entry, request)


def reconsider(world: World, entry: Entry) -> None:
    """After a change of the institution: what would not be given today is revoked in the same append."""
    for request_id in world.running:
        if reassess(world.requests[request_id], world.institution, entry.at):
            words = f"after this change {request_id} would not be given, but it was not revoked"
            world.owe(f"revoked {request_id}", entry, "grant-kept", words)


def _as_approver(world: World, entry: Entry, request: AccessRequest) -> None:
    environment = world.institution.environments.get(request.environment)
    if environment is None or not eligible(world.institution, entry.actor.id, environment.product):
        raise Fault("not-approver", "the person was no approver for this environment")


def _request(world: World, entry: Entry) -> AccessRequest:
    request = world.requests.get(entry.subject)
    if request is None:
        raise Fault("request-unknown", "the request is not in the trail")
    return request


def _advance(world: World, request: AccessRequest, entry: Entry) -> None:
    changed = evolve(request, entry)
    world.requests[request.id] = changed
    if changed.status in _RUNNING:
        world.running.add(request.id)
    elif request.id in world.running:
        world.running.discard(request.id)
        judge_kept(world, request, entry)


def _follow(world: World, events: Sequence[Event] | Refusal) -> None:
    if isinstance(events, Refusal):
        raise Fault(f"grant-{events.problem}", f"the rules refuse this grant: {events.detail}")
    world.following.extend(events)


HANDLERS = {
    "decision.made": decision_made,
    "request.approved": request_approved,
    "request.denied": outcome,
    "request.expired": outcome,
    "request.activated": outcome,
    "request.elapsed": outcome,
    "request.withdrawn": outcome,
    "request.completed": outcome,
    "request.reminded": outcome,
    "request.escalated": outcome,
    "request.revoked": request_revoked,
    "request.disputed": disputed,
    "decision.refused": outcome,
    "token.refused": outcome,
    "message.sent": message_sent,
    "stop_code.used": stop_code_used,
}
"""Type → rule; `request.created` takes its leaf's digest as well."""
