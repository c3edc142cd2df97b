"""Replay of tokens and sessions: each token inside its grant and its lifetime, one session a token, each session inside
its grant, nothing reported later than 60 s after the grant, every session over 15 minutes after it.
"""

from __future__ import annotations

import heapq
from datetime import UTC, datetime, timedelta

from app.audit import replay_coverage
from app.audit.countersignature import judge_engineer
from app.audit.findings import Fault
from app.audit.world import Fields, Token, World
from app.domain.errors import Refusal
from app.domain.events import Entry
from app.domain.institution import eligible
from app.domain.request import AccessRequest, may_mint
from app.domain.session import Session, State, evolve, opened
from app.domain.times import parse_stamp

LATE = timedelta(seconds=60)
LINGERING = timedelta(minutes=15)
CLOCKS = timedelta(seconds=60)
_SECOND = timedelta(seconds=1)
_OVER = {"grant-over": "elapsed", "completed": "completed"}


def token_issued(world: World, entry: Entry, _: Fields | None) -> None:
    """A token is minted: under a running grant, inside it, no longer than the policy lets it live."""
    request, data = world.requests.get(entry.subject), entry.data
    if request is None:
        raise Fault("request-unknown", "the request is not in the trail")
    if data["jti"] in world.tokens:
        raise Fault("token-twice", "a token of this jti was issued before")
    world.tokens[data["jti"]] = Token(request.id, data["nbf"], data["exp"], entry.actor.id)
    grant = may_mint(request, entry.at)
    if isinstance(grant, Refusal):
        raise Fault(f"token-{grant.problem}", f"the rules refuse this token: {grant.detail}")
    issued, begins, ends = (datetime.fromtimestamp(data[name], UTC) for name in ("iat", "nbf", "exp"))
    longest = timedelta(minutes=world.institution.policy.token_ttl_minutes)
    checks = (
        (data["grant"] == grant.id, "token-grant", "the token is of another grant than the request's"),
        (abs(issued - entry.at) <= CLOCKS, "token-time", "the token was not issued when the entry was made"),
        (grant.not_before - _SECOND < begins, "token-window", "the token is valid before its grant"),
        (begins < ends <= grant.not_after, "token-window", "the token is valid after its grant"),
        (ends - min(issued, begins) <= longest, "token-lifetime", "the token lives longer than the policy allows"),
    )
    for holds, code, words in checks:
        if not holds:
            raise Fault(code, words)


def token_revoked(world: World, entry: Entry, _: Fields | None) -> None:
    """A client takes back a token that it obtained."""
    token = world.tokens.get(entry.data["jti"])
    if token is None or (token.request, token.client) != (entry.subject, entry.actor.id):
        raise Fault("token-unknown", "the client obtained no such token for this request")
    token.revoked = True


def session_opened(world: World, entry: Entry, _: Fields | None) -> None:
    """A token opens its one session, while it and its grant are good."""
    session, data = opened(entry), entry.data
    if session.id in world.sessions:
        raise Fault("session-twice", "a session of this id was opened before")
    world.sessions[session.id] = session
    replay_coverage.begin(world, session)
    world.session_index[session.id] = entry.index
    world.sessions_of.setdefault(session.request, []).append(session.id)
    request, token = world.requests.get(session.request), world.tokens.get(session.jti)
    if request is None or token is None or token.request != request.id:
        raise Fault("token-unknown", "no such token was issued for this request")
    heapq.heappush(world.deadlines, (_grant_over(request), session.id))
    if token.opened is not None:
        raise Fault("token-reused", f"this token had opened {token.opened} already")
    token.opened = session.id
    grant = may_mint(request, entry.at)
    if isinstance(grant, Refusal) or grant.id != session.grant:
        raise Fault("session-outside", "the session was opened outside its grant")
    begins, ends = datetime.fromtimestamp(token.nbf, UTC), datetime.fromtimestamp(token.exp, UTC)
    if token.revoked or not begins <= entry.at < ends:
        raise Fault("token-inactive", "the token was not good when the session was opened")
    if data["evidence"]:
        _engineer(world, entry, session, request)


def _engineer(world: World, entry: Entry, session: Session, request: AccessRequest) -> None:
    signed = world.signed_in(entry, countersigned=False)
    vendor = world.sources.vendor
    if signed is None or vendor is None or vendor.vendor is None:
        return
    issuers, client_id = world.institution.vendor_issuers, vendor.vendor.provider.client_id
    given = world.sources.vendor_keys
    identity = judge_engineer(signed, entry.at, issuers, client_id, session.grant, session.jti, given)
    world.saw(identity)
    world.engineers_proved += 1
    engineer = world.engineers.get(request.id)
    if engineer is not None and identity.sub != engineer["engineer_id"]:
        raise Fault("engineer-differs", "another engineer signed in than the one the request names")


def session_moved(world: World, entry: Entry, _: Fields | None) -> None:
    """What is recorded of a session, and how it ends."""
    session = world.sessions.get(entry.subject)
    if session is None:
        raise Fault("session-unknown", "the session is not in the trail")
    world.sessions[session.id] = evolve(session, entry)
    replay_coverage.follow(world, entry, session)
    request = world.requests.get(session.request)
    if request is None:
        return
    over = _grant_over(request)
    if entry.type == "session.segment_sealed" and parse_stamp(entry.data["to"]) > over + LATE:
        raise Fault("activity-late", "activity more than 60 s after the grant's end was sealed")
    if entry.type == "session.resumed":
        heapq.heappush(world.deadlines, (over, session.id))
        if isinstance(may_mint(request, entry.at), Refusal):
            raise Fault("session-outside", "the session was resumed outside its grant")
    if entry.type == "session.terminated":
        _terminated(world, entry, request)


def _terminated(world: World, entry: Entry, request: AccessRequest) -> None:
    because, ended = entry.data["because"], None if request.grant is None else request.grant.ended_because
    revoked = ended in {"approver", "stop-code", "rules"}
    if (because == "revoked" and not revoked) or (because in _OVER and ended != _OVER[because]):
        raise Fault("session-because", f"the grant was not over by {because}")
    if (because == "approver") != (entry.actor.kind == "person"):
        raise Fault("session-because", "the actor does not fit the reason")
    environment = world.institution.environments.get(request.environment)
    if because == "approver" and (
        environment is None or not eligible(world.institution, entry.actor.id, environment.product)
    ):
        raise Fault("not-approver", "the person was no approver for this environment")


def recording_read(world: World, entry: Entry, _: Fields | None) -> None:
    """Somebody looked at a recorded part."""
    session = world.sessions.get(entry.subject)
    if session is None or entry.data["n"] not in session.parts:
        raise Fault("part-unknown", "no such part was added to this session")


def linger(world: World, now: datetime) -> None:
    """Find the sessions still open 15 minutes after their grant, as of `now`."""
    while world.deadlines and world.deadlines[0][0] + LINGERING < now:
        _, session_id = heapq.heappop(world.deadlines)
        session = world.sessions[session_id]
        if session.state is State.OPEN and session_id in world.session_index:
            words = "the session was not ended 15 minutes after its grant"
            world.find(world.session_index.pop(session_id), "session-lingers", words)


def shorten(world: World, request: AccessRequest) -> None:
    """The grant ended early: its sessions are due earlier."""
    for session_id in world.sessions_of.get(request.id, ()):
        heapq.heappush(world.deadlines, (_grant_over(request), session_id))


def _grant_over(request: AccessRequest) -> datetime:
    """When the request's grant is over, as far as is known; a request without a grant gives none."""
    if request.grant is None:
        return request.created_at
    return request.grant.ended_at or request.grant.not_after


HANDLERS = {
    "token.issued": token_issued,
    "token.revoked": token_revoked,
    "session.opened": session_opened,
    "session.segment_sealed": session_moved,
    "session.part_added": session_moved,
    "session.ended": session_moved,
    "session.terminated": session_moved,
    "session.lost": session_moved,
    "session.resumed": session_moved,
    "recording.read": recording_read,
}
"""Type → rule."""
