"""A long and ordinary trail: cases as they come to an institution, each told from the request to the session's end."""

from __future__ import annotations

from pathlib import Path

from app.domain.events import SERVICE, Actor, Event
from app.domain.request import complete
from app.domain.times import stamp
from app.trail import canonical
from tests.audit.world import CLIENT, CODE, HEAD, SECOND, World

_SEGMENTS = 20  # a session of twenty minutes, sealed every minute (`product.md`)


def write_bundle(path: Path, entries: int) -> dict[str, object]:
    """Write a whole bundle of at least so many entries; the anchors that its institution kept."""
    world = World().begin(SECOND)
    while len(world.trail.leaves) < entries - 1:
        _case(world)
    world.bundle(path)
    return world.anchors


def _case(world: World) -> None:
    """Thirty-six entries: one countersignature, six mails, a token, a session with its segments."""
    request_id = world.ask()
    _mail(world, request_id, "request", HEAD.id)
    _mail(world, request_id, "request", SECOND.id)
    world.pass_time(minutes=7)
    head = Actor("person", HEAD.id)
    came = {"acr": None, "auth_time": int(world.now.timestamp())}
    where = {"ip": "192.0.2.7", "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}
    world.append(Event("sign_in.succeeded", HEAD.id, head, came, where))
    world.pass_time(minutes=1)
    world.approve(request_id, comment="Thank you, go ahead.")
    _mail(world, request_id, "approved", HEAD.id)
    _mail(world, request_id, "approved", SECOND.id)
    world.record_due(request_id)
    world.pass_time(minutes=3)
    session = world.session(request_id, world.token(request_id))
    for number in range(1, _SEGMENTS + 1):
        begins = stamp(world.now)
        world.pass_time(minutes=1)
        digest = canonical.sha(f"{session}/{number}".encode())
        sealed = {"n": number, "from": begins, "to": stamp(world.now), "events": 40, "digest": digest, "late": 0}
        world.append(Event("session.segment_sealed", session, SERVICE, sealed))
    world.end(session)
    ended = complete(world.requests[request_id], CLIENT, "Job re-run with tracing.", world.now)
    assert isinstance(ended, list)
    world.append(*ended)
    _mail(world, request_id, "completed", HEAD.id)
    _mail(world, request_id, "completed", SECOND.id)
    world.append(Event("sign_out.done", HEAD.id, head, {"because": "person"}))
    world.pass_time(minutes=20)


def _mail(world: World, request_id: str, kind: str, person: str) -> None:
    message = canonical.sha(f"{request_id} {kind} {person}".encode())
    world.append(
        Event("mail.queued", CODE, SERVICE, {"about": request_id, "kind": kind, "message_id": message, "to": [person]})
    )
