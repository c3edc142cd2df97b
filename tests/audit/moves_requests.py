"""Dishonest moves about requests, tokens and sessions."""

from __future__ import annotations

from datetime import timedelta

from app.domain.events import SERVICE, Actor, Event
from app.domain.ids import encode
from app.domain.times import stamp
from tests.audit.moves import append, found_as, pending, running
from tests.audit.world import AUDITOR, CLIENT, World


@found_as("ask-case-not-escalated")
def a_request_for_a_case_that_is_not_escalated(world: World) -> int:
    world.ask(escalated=False)
    return len(world.trail.leaves) - 1


@found_as("ask-account-deactivated")
def a_request_for_an_account_that_is_off(world: World) -> int:
    world.ask(account="exl_support")
    return len(world.trail.leaves) - 1


@found_as("decide-by")
def a_deadline_longer_than_the_policy_gives(world: World) -> int:
    world.ask(decide_by=stamp(world.now + timedelta(days=9)))
    return len(world.trail.leaves) - 1


@found_as("number")
def a_number_given_twice(world: World) -> int:
    world.ask(number="2026-0007")
    world.ask(number="2026-0007")
    return len(world.trail.leaves) - 1


@found_as("client")
def a_request_by_a_client_that_does_not_exist(world: World) -> int:
    request = world.ask()
    stranger = Actor("client", encode("cli", 9))
    return append(world, Event("message.sent", request, stranger, {"from": "vendor"}, {"text": "hello"}))


@found_as("token-not-approved")
def a_token_without_a_grant(world: World) -> int:
    request = pending(world)
    at = int(world.now.timestamp())
    data = {
        "grant": world.new("grt"), "jti": "j", "token_digest": "sha256:" + "0" * 64, "iat": at, "nbf": at,
        "exp": at + 60, "bound": False,
    }  # fmt: skip
    return append(world, Event("token.issued", request, CLIENT, data))


@found_as("token-lifetime")
def a_token_that_lives_too_long(world: World) -> int:
    request = running(world)
    world.token(request, exp=int(world.now.timestamp()) + 3600)
    return len(world.trail.leaves) - 1


@found_as("token-window")
def a_token_beyond_its_grant(world: World) -> int:
    request = running(world)
    world.pass_time(minutes=238)
    world.token(request, exp=int(world.now.timestamp()) + 900)
    return len(world.trail.leaves) - 1


@found_as("token-grant-ended")
def a_token_after_the_revocation(world: World) -> int:
    request = running(world)
    world.revoke(request)
    world.token(request)
    return len(world.trail.leaves) - 1


@found_as("session-outside")
def a_session_after_the_revocation(world: World) -> int:
    request = running(world)
    jti = world.token(request)
    world.revoke(request)
    world.session(request, jti)
    return len(world.trail.leaves) - 1


@found_as("token-reused")
def two_sessions_with_one_token(world: World) -> int:
    request = running(world)
    jti = world.token(request)
    world.end(world.session(request, jti))
    world.end(world.session(request, jti))
    return len(world.trail.leaves) - 2


@found_as("token-unknown")
def a_session_without_a_token(world: World) -> int:
    request = running(world)
    world.session(request, "no-such-jti")
    return len(world.trail.leaves) - 1


@found_as("session-lingers")
def a_session_left_open_after_its_grant(world: World) -> int:
    request = running(world)
    world.session(request, world.token(request))
    index = len(world.trail.leaves) - 1
    world.pass_time(minutes=1)
    world.revoke(request)
    world.pass_time(minutes=20)
    return index


@found_as("activity-late")
def activity_long_after_the_grant(world: World) -> int:
    request = running(world)
    session = world.session(request, world.token(request))
    world.pass_time(minutes=1)
    world.revoke(request)
    begins, ends = stamp(world.now), stamp(world.now + timedelta(seconds=61))
    world.pass_time(minutes=2)
    world.end(session)
    data = {"n": 1, "from": begins, "to": ends, "events": 1, "digest": "sha256:" + "0" * 64, "late": 1}
    return append(world, Event("session.segment_sealed", session, SERVICE, data))


@found_as("not-by-rules")
def a_clock_event_with_another_time(world: World) -> int:
    request = running(world)
    world.pass_time(hours=5)
    data = {"effective_at": stamp(world.now)}
    return append(world, Event("request.elapsed", request, SERVICE, data))


@found_as("revoked-by-no-rule")
def a_revocation_by_rules_that_still_hold(world: World) -> int:
    request = running(world)
    return append(world, Event("request.revoked", request, SERVICE, {"because": "rules"}, {"reason": ""}))


@found_as("not-approver")
def a_revocation_by_an_auditor(world: World) -> int:
    request = running(world)
    return append(
        world, Event("request.revoked", request, Actor("person", AUDITOR.id), {"because": "approver"}, {"reason": ""})
    )
