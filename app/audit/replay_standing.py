"""Replay of standing approvals: countersigned, used within their terms, by as many givers as the policy asks."""

from __future__ import annotations

from dataclasses import replace

from app.audit.countersignature import judge_countersignature, judge_statement, shows_role
from app.audit.findings import Fault
from app.audit.replay_requests import HOLE, reads
from app.audit.world import Fields, World
from app.domain.events import SERVICE, Entry, Event
from app.domain.institution import is_bound
from app.domain.people import DECIDING_ROLES
from app.domain.request import AccessRequest
from app.domain.sentences import TABLES
from app.domain.standing import StandingApproval, evolve, given
from app.domain.standing_rules import Unfit, may_give, window_on
from app.domain.statement import Advance, standing_text
from app.domain.times import parse_stamp, stamp
from app.domain.window import Span


def standing_given(world: World, entry: Entry, _: Fields | None) -> None:
    """An approver gives, or joins, a standing approval."""
    institution = world.institution
    standing = given(world.standing.get(entry.subject), entry)
    world.standing[entry.subject] = standing
    if not institution.policy.standing_approvals_allowed:
        raise Fault("standing-not-allowed", "the policy allows no standing approvals")
    if not may_give(standing, institution, entry.actor.id):
        raise Fault("not-approver", "the giver was no approver for what was given")
    signed = world.signed_in(entry, countersigned=True)
    if signed is None:
        return
    expected = {
        "origin": institution.origin,
        "institution": institution.code,
        "standing": standing.id,
        "terms": standing.terms,
        "policy_digest": world.policy_digest(),
        "iss": institution.provider.issuer,
    }
    statement = judge_statement(signed, "countersign/standing/1", expected)
    keys, provider = world.keys(), institution.provider
    identity = judge_countersignature(signed, statement, entry.at, provider, institution.policy, keys)
    _judge_text(world, standing, statement["text"])
    world.know_subject(entry.actor.id, identity.iss, identity.sub)
    world.saw(identity)
    person = institution.people[entry.actor.id]
    if not shows_role(person, identity.claims, provider, DECIDING_ROLES):
        raise Fault("role-not-shown", "the approver's sign-in does not carry the role")


def standing_ended(world: World, entry: Entry, _: Fields | None) -> None:
    """It is over before its time."""
    standing = world.standing.get(entry.subject)
    if standing is None:
        raise Fault("standing-unknown", "no such standing approval was given")
    world.standing[entry.subject] = evolve(standing, entry)
    # In a bundle about one request the uses by others are left out.
    if entry.data["because"] == "used" and world.sources.whole and standing.used < standing.uses:
        raise Fault("standing-uses-left", "it was said to be used up, and there were uses left")
    person = entry.actor.id
    if entry.actor.kind == "person" and not (
        is_bound(world.institution, person) and may_give(standing, world.institution, person)
    ):
        raise Fault("not-approver", "the person was no approver for what was given")


def standing_used(world: World, entry: Entry, request: AccessRequest) -> None:
    """A request is approved at once on a standing approval, in the append of its creation. Raises `Fault`."""
    before = world.standing.get(entry.data["standing"])
    if before is None:
        raise Fault("standing-unknown", "no such standing approval was given")
    if (entry.index, entry.at) != (request.created_index + 1, request.created_at):
        raise Fault("standing-late", "a standing approval is used in the append of the request, or not at all")
    world.standing[before.id] = evolve(before, entry)
    window = window_on(before, request, world.institution, entry.at)
    if isinstance(window, Unfit):
        raise Fault(window.code, window.words)
    engineer = world.engineers.get(request.id)
    email = None if engineer is None else (engineer["engineer_email"] or "").lower()
    if any(world.emails.get(giver.person) == email for giver in before.givers if email):
        raise Fault("own-request", "a giver is the engineer of this request")
    _judge_grant(world, entry, request, window)


def _judge_grant(world: World, entry: Entry, request: AccessRequest, window: Span) -> None:
    begins, ends = parse_stamp(entry.data["not_before"]), parse_stamp(entry.data["not_after"])
    if (begins, ends) != (window.start, window.end) or entry.data["roles"] != list(request.asked.roles):
        raise Fault("outcome-differs", "the rules give another window or other roles")
    if begins <= entry.at:
        data = {"effective_at": stamp(begins)}
        world.following.append(Event("request.activated", request.id, SERVICE, data))


def _judge_text(world: World, standing: StandingApproval, text: str) -> None:
    """The sentence signed is the one these terms have in some language. The vendor's name stands in its own log."""
    institution, place = world.institution, standing.environment
    if place is not None and place not in institution.environments:
        return
    advance = Advance(
        vendor=HOLE,
        institution=world.name or institution.code,
        environment=None if place is None else institution.environments[place],
        case_number=standing.case_number,
        roles=standing.roles,
        max_window_minutes=standing.max_window_minutes,
        uses=standing.uses,
        not_after=standing.not_after,
        zone=institution.zone,
        zone_name=HOLE,
    )
    by_code = replace(advance, institution=institution.code)
    if not any(reads(standing_text(each, name), text) for name in TABLES for each in (advance, by_code)):
        raise Fault("text-differs", "the sentence that was signed is not that of these terms")


HANDLERS = {"standing_approval.given": standing_given, "standing_approval.ended": standing_ended}
"""Type → rule; a use is an approved request's rule."""
