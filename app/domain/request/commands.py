"""What can be done to a request: each command answers with the events to append, or with a refusal.

`now` is the instant of the append. The caller has recorded what `due` gives before it judges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from app.domain.errors import Refusal
from app.domain.events import SERVICE, Actor, Event
from app.domain.institution import Institution
from app.domain.languages import msg
from app.domain.request.ask import Ask, Permit, ground_now, window_now
from app.domain.request.judge import EMPTY, judge_answer, judge_votes, wrong_state
from app.domain.request.life import AccessRequest, Vote, status_at
from app.domain.request.states import Status
from app.domain.terms import Terms
from app.domain.times import stamp
from app.domain.window import Span


def created_event(
    request_id: str, ask: Ask, permit: Permit, number: str, client: Actor, private: Mapping[str, str | None]
) -> Event:
    """The event that makes the request; `private` are the fields of its private part."""
    data = {**ask.to_data(), "decide_by": stamp(permit.decide_by), "number": number}
    return Event("request.created", request_id, client, data, private)


def implementation_grant(
    request: AccessRequest, institution: Institution, now: datetime, grant_id: str
) -> list[Event] | Refusal:
    """The approval at once on the ground `implementation`, in the append of the request's creation."""
    if ground_now(institution, request.environment, now) != "implementation" or request.votes:
        return Refusal("not-approved", msg("The environment's phase gives no ground; approvers decide."))
    window = window_now(request.asked, institution, request.environment, "implementation", now)
    if window is None:
        return Refusal("window-closed", msg("The institution's hours or closed dates leave nothing of this window."))
    return approved_events(request.id, SERVICE, "implementation", (), grant_id, window, request.asked.roles, now)


def decide(
    request: AccessRequest,
    institution: Institution,
    person_id: str,
    verdict: str,
    terms: Terms | None,
    *,
    now: datetime,
    index: int,
    grant_id: str,
    decision_id: str,
    evidence: Sequence[str],
    comment: str,
    own_request: bool = False,
) -> list[Event] | Refusal:
    """One approver's answer and what follows from it. `index` is the place that the first event will get.

    A denial takes no terms and no evidence. An approval needs both; without terms it gives what was asked.
    """
    refusal = judge_answer(request, institution, person_id, verdict, terms, now, own_request=own_request)
    if refusal is not None:
        return refusal
    person, given = Actor("person", person_id), None
    if verdict == "approve":
        given = terms or request.asked
    data = {
        "decision": decision_id,
        "verdict": verdict,
        "terms": None if given is None else given.to_data(),
        "evidence": [] if given is None else sorted(evidence),
    }
    vote = Vote(index, decision_id, person_id, verdict, given, now)
    made = Event("decision.made", request.id, person, data, {"comment": comment})
    return [made, *_outcome(replace(request, votes=(*request.votes, vote)), institution, person, grant_id, now)]


def _outcome(
    request: AccessRequest, institution: Institution, person: Actor, grant_id: str, now: datetime
) -> list[Event]:
    last = request.votes[-1]
    if last.verdict == "deny":
        return [_denied(request.id, person, "decision", (last.index,))]
    outcome = judge_votes(request, institution, now)
    if outcome is None:
        return []
    if outcome == EMPTY:
        return [_denied(request.id, person, EMPTY, tuple(vote.index for vote in request.approving))]
    return approved_events(
        request.id, person, "approval", outcome.decisions, grant_id, outcome.window, outcome.roles, now
    )


def _denied(request_id: str, person: Actor, because: str, decisions: tuple[int, ...]) -> Event:
    return Event("request.denied", request_id, person, {"because": because, "decisions": list(decisions)})


def approved_events(
    request_id: str,
    actor: Actor,
    ground: str,
    decisions: tuple[int, ...],
    grant_id: str,
    window: Span,
    roles: tuple[str, ...],
    now: datetime,
    standing: str | None = None,
) -> list[Event]:
    """What gives a grant: `request.approved`, and `request.activated` where the window begins at once."""
    data = {
        "decisions": list(decisions),
        "grant": grant_id,
        "ground": ground,
        "standing": standing,
        "not_before": stamp(window.start),
        "not_after": stamp(window.end),
        "roles": list(roles),
    }
    approved = Event("request.approved", request_id, actor, data)
    begins = [_clock_event("request.activated", request_id, window.start, SERVICE)] if window.start <= now else []
    return [approved, *begins]


def due(request: AccessRequest, now: datetime, actor: Actor = SERVICE) -> list[Event]:
    """The events of the clock that are due and not recorded, in order; the same whenever they are computed."""
    derived = status_at(request, now)
    if derived is request.status:
        return []
    if derived is Status.EXPIRED:
        return [_clock_event("request.expired", request.id, request.decide_by, actor)]
    if request.grant is None:
        return []
    events = []
    if request.status is Status.APPROVED:
        events.append(_clock_event("request.activated", request.id, request.grant.not_before, actor))
    if derived is Status.ELAPSED:
        events.append(_clock_event("request.elapsed", request.id, request.grant.not_after, actor))
    return events


def _clock_event(type_: str, request_id: str, at: datetime, actor: Actor) -> Event:
    return Event(type_, request_id, actor, {"effective_at": stamp(at)})


def withdraw(request: AccessRequest, client: Actor, reason: str, now: datetime) -> list[Event] | Refusal:
    """The vendor takes back a pending request."""
    status = status_at(request, now)
    if status is not Status.PENDING:
        return wrong_state(status)
    return [Event("request.withdrawn", request.id, client, {}, {"reason": reason})]


def complete(request: AccessRequest, client: Actor, summary: str, now: datetime) -> list[Event] | Refusal:
    """The engineer gives an approved or active request back early."""
    return _end(request, Event("request.completed", request.id, client, {}, {"summary": summary}), now)


def revoke(request: AccessRequest, actor: Actor, because: str, reason: str, now: datetime) -> list[Event] | Refusal:
    """Access is taken back (`approver`, `stop-code`, `rules`). Whether the actor may is for the caller to judge."""
    return _end(request, Event("request.revoked", request.id, actor, {"because": because}, {"reason": reason}), now)


def _end(request: AccessRequest, event: Event, now: datetime) -> list[Event] | Refusal:
    status = status_at(request, now)
    return [event] if status in {Status.APPROVED, Status.ACTIVE} else wrong_state(status)
