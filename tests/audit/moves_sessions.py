"""Dishonest moves about sessions: who sat there, what was reported, what is recorded, how they ended."""

from __future__ import annotations

from datetime import timedelta

from app.domain.events import SERVICE, Actor, Event
from app.domain.times import stamp
from tests.audit.moves import append, found_as, running
from tests.audit.world import CLIENT, HEAD, World

PART = b'[1.0, "o", "ls"]'


def opened(world: World) -> str:
    """A session that a gateway opened, a minute ago."""
    request = running(world)
    session = world.session(request, world.token(request))
    world.pass_time(minutes=1)
    return session


@found_as("not-by-rules")
def a_segment_left_out(world: World) -> int:
    session = opened(world)
    world.segment(session, 1)
    world.pass_time(minutes=2)
    return world.segment(session, 3)


@found_as("not-by-rules")
def a_segment_told_twice(world: World) -> int:
    session = opened(world)
    world.segment(session, 1)
    world.pass_time(minutes=1)
    return world.segment(session, 1)


@found_as("segment-time")
def segments_that_overlap(world: World) -> int:
    session = opened(world)
    world.segment(session, 1)
    return world.segment(session, 2)


@found_as("segment-time")
def a_segment_of_what_is_still_to_come(world: World) -> int:
    session = opened(world)
    return world.segment(session, 1, to=stamp(world.now + timedelta(seconds=1)))


@found_as("segment-count")
def a_segment_of_nothing(world: World) -> int:
    return world.segment(opened(world), 1, events=0)


@found_as("segment-count")
def more_late_events_than_came_late(world: World) -> int:
    return world.segment(opened(world), 1, late=2)


@found_as("segment-count")
def a_count_altered_after_the_end(world: World) -> int:
    session = opened(world)
    world.end(session)
    world.pass_time(minutes=1)
    return world.segment(session, 1, events=40, late=3)


@found_as("not-by-rules")
def a_session_at_the_gate_without_the_engineers_sign_in(world: World) -> int:
    request = running(world)
    return world.gate_session(request, world.token(request), evidence=[])


@found_as("not-by-rules")
def a_gateways_session_that_claims_a_proof(world: World) -> int:
    request = running(world)
    world.session(request, world.token(request), engineer_proved=True)
    return len(world.trail.leaves) - 1


@found_as("engineer-differs")
def another_engineer_at_the_gate(world: World) -> int:
    request = running(world)
    return world.gate_session(request, world.token(request), "e9999")


@found_as("id-token-nonce")
def an_engineers_sign_in_for_another_token(world: World) -> int:
    request = running(world)
    return world.gate_session(request, world.token(request), signed_for=world.token(request))


@found_as("id-token-iss")
def an_engineer_who_signed_in_at_the_institutions_provider(world: World) -> int:
    request = running(world)
    world.vendor_idp = world.idp
    return world.gate_session(request, world.token(request))


@found_as("token-reused")
def a_token_that_opened_two_sessions_at_once(world: World) -> int:
    request = running(world)
    jti = world.token(request)
    world.session(request, jti)
    world.session(request, jti)
    return len(world.trail.leaves) - 1


@found_as("coverage")
def more_recorded_than_parts_were_added(world: World) -> int:
    session = opened(world)
    world.part(session, 1, PART)
    world.pass_time(minutes=5)
    data = world.figures(session, covered_s=180)
    return append(world, Event("session.ended", session, CLIENT, data, {"summary": ""}))


@found_as("coverage")
def a_session_that_was_shorter_than_it_was(world: World) -> int:
    session = opened(world)
    data = world.figures(session, open_s=30)
    return append(world, Event("session.ended", session, CLIENT, data, {"summary": ""}))


@found_as("coverage")
def a_recording_claimed_where_no_part_ever_came(world: World) -> int:
    session = opened(world)
    data = {"because": "approver", "open_s": 60, "covered_s": 60}
    return append(world, Event("session.terminated", session, Actor("person", HEAD.id), data))


@found_as("not-silent")
def a_session_called_lost_that_was_heard(world: World) -> int:
    session = opened(world)
    data = {"last_seen": stamp(world.now - timedelta(seconds=30)), **world.figures(session)}
    return append(world, Event("session.lost", session, SERVICE, data))


@found_as("gap")
def a_gap_told_shorter_than_it_was(world: World) -> int:
    session = opened(world)
    world.pass_time(minutes=2)
    seen = stamp(world.now - timedelta(seconds=120))
    world.append(Event("session.lost", session, SERVICE, {"last_seen": seen, **world.figures(session)}))
    world.pass_time(minutes=8)
    return append(world, Event("session.resumed", session, CLIENT, {"gap_s": 60}))


@found_as("not-by-rules")
def a_part_whose_bytes_were_changed(world: World) -> int:
    session = opened(world)
    world.part(session, 1, PART)
    world.pass_time(minutes=1)
    return world.part(session, 1, PART + b"x")


@found_as("part-unknown")
def a_part_read_that_was_never_added(world: World) -> int:
    session = opened(world)
    world.part(session, 1, PART)
    return append(world, Event("recording.read", session, Actor("person", HEAD.id), {"n": 2}))


@found_as("session-unknown")
def a_part_of_a_session_that_is_not_there(world: World) -> int:
    opened(world)
    return world.part(world.new("ses"), 1, PART)


@found_as("session-because")
def an_ending_by_an_approver_whom_nobody_was(world: World) -> int:
    session = opened(world)
    data = {"because": "approver", **world.figures(session)}
    return append(world, Event("session.terminated", session, SERVICE, data))


@found_as("session-lingers")
def a_session_at_the_gate_never_ended(world: World) -> int:
    request = running(world)
    index = world.gate_session(request, world.token(request))
    world.pass_time(hours=5)
    world.record_due(request)
    return index


@found_as("not-by-rules")
def a_session_that_resumes_after_it_was_ended(world: World) -> int:
    session = opened(world)
    world.end(session)
    world.pass_time(minutes=1)
    return append(world, Event("session.resumed", session, CLIENT, {"gap_s": 0}))
