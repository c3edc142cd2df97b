"""Replay of standing approvals: countersigned, used within their terms, by as many givers as the policy asks."""

from __future__ import annotations

from app.audit.countersignature import judge_countersignature, judge_statement, shows_role
from app.audit.findings import Fault
from app.audit.world import Fields, World
from app.domain.events import SERVICE, Entry, Event
from app.domain.institution import eligible, holds_role, is_bound
from app.domain.people import DECIDING_ROLES
from app.domain.request import AccessRequest
from app.domain.request.judge import needed
from app.domain.standing import StandingApproval, evolve, given
from app.domain.terms import intersect
from app.domain.times import parse_stamp, stamp
from app.domain.window import Span, clip, cut


def standing_given(world: World, entry: Entry, _: Fields | None) -> None:
    """An approver gives, or joins, a standing approval."""
    institution = world.institution
    standing = given(world.standing.get(entry.subject), entry)
    world.standing[entry.subject] = standing
    if not institution.policy.standing_approvals_allowed:
        raise Fault("standing-not-allowed", "the policy allows no standing approvals")
    if not _may_give(world, entry.actor.id, standing):
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
    world.know_subject(entry.actor.id, identity.iss, identity.sub)
    world.saw(identity)
    person = institution.people[entry.actor.id]
    if not shows_role(person, identity.claims, provider, DECIDING_ROLES):
        raise Fault("role-not-shown", "the approver's sign-in does not carry the role")


def _may_give(world: World, person: str, standing: StandingApproval) -> bool:
    """For an environment: an approver of its product; for a case: an approver of some product."""
    environments = world.institution.environments
    chosen = [name for name in environments if standing.environment in (None, name)]
    return any(eligible(world.institution, person, environments[name].product) for name in chosen)


def standing_ended(world: World, entry: Entry, _: Fields | None) -> None:
    """It is over before its time."""
    standing = world.standing.get(entry.subject)
    if standing is None:
        raise Fault("standing-unknown", "no such standing approval was given")
    world.standing[entry.subject] = evolve(standing, entry)
    person = entry.actor.id
    if entry.actor.kind == "person" and not (
        is_bound(world.institution, person) and _may_give(world, person, standing)
    ):
        raise Fault("not-approver", "the person was no approver for what was given")


def standing_used(world: World, entry: Entry, request: AccessRequest) -> None:
    """A request is approved at once on a standing approval, in the append of its creation. Raises `Fault`."""
    standing = world.standing.get(entry.data["standing"])
    if standing is None:
        raise Fault("standing-unknown", "no such standing approval was given")
    if (entry.index, entry.at) != (request.created_index + 1, request.created_at):
        raise Fault("standing-late", "a standing approval is used in the append of the request, or not at all")
    world.standing[standing.id] = evolve(standing, entry)
    institution, asked = world.institution, request.asked
    fits = standing.admits(
        case_number=request.case_number, environment=request.environment, roles=asked.roles, minutes=asked.minutes
    )
    if not fits or not institution.policy.standing_approvals_allowed:
        raise Fault("standing-unfit", "the standing approval does not admit this request")
    found = intersect(asked, (), entry.at)
    window = None if found is None else clip(found[0].start, min(found[0].end, standing.not_after), found[0])
    product = institution.environments[request.environment].product
    givers = {giver.person for giver in standing.givers}
    if window is None or any(not holds_role(institution, person, product) for person in givers):
        raise Fault("standing-unfit", "a giver no longer holds the role, or nothing of the window is left")
    if len(givers) < needed(institution.policy, window, institution):
        raise Fault("standing-too-few", "fewer gave than the policy asks for this window")
    _judge_grant(world, entry, request, cut(window, institution.policy, institution.zone, implementation=False))


def _judge_grant(world: World, entry: Entry, request: AccessRequest, window: Span | None) -> None:
    begins, ends = parse_stamp(entry.data["not_before"]), parse_stamp(entry.data["not_after"])
    if (
        window is None
        or (begins, ends) != (window.start, window.end)
        or entry.data["roles"] != list(request.asked.roles)
    ):
        raise Fault("outcome-differs", "the rules give another window or other roles")
    if begins <= entry.at:
        data = {"effective_at": stamp(begins)}
        world.following.append(Event("request.activated", request.id, SERVICE, data))


HANDLERS = {"standing_approval.given": standing_given, "standing_approval.ended": standing_ended}
"""Type → rule; a use is an approved request's rule."""
