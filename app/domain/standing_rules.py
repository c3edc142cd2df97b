"""What the rules say of standing approvals: what may be offered, by whom, how many have to give, which requests it
serves, and whether it still holds. The service asks before it appends, the verifier after.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.data import sorted_unique
from app.domain.errors import FieldError, Refusal
from app.domain.events import SERVICE, Event
from app.domain.institution import Institution, eligible, holds_role
from app.domain.languages import msg, told
from app.domain.policy import DAY_MINUTES, DAYS, Policy
from app.domain.request.commands import approved_events
from app.domain.request.judge import needed
from app.domain.request.life import AccessRequest
from app.domain.standing import MAX_AHEAD, StandingApproval
from app.domain.terms import intersect
from app.domain.window import Span, clip, cut

MIN_MINUTES = 15
MAX_USES = 100
MAX_ROLES = 40


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a standing approval does not serve a request: the code of a verifier's finding, and what it says."""

    code: str
    words: str


def judge_offer(offered: StandingApproval, institution: Institution, now: datetime) -> Refusal | None:
    """Why this may not be given in advance; None when it may, by whoever `may_give` it."""
    policy = institution.policy
    if not policy.standing_approvals_allowed:
        return Refusal("standing-not-allowed", msg("The institution's policy allows no standing approvals."))
    case, place, most = offered.case_number, offered.environment, policy.max_window_minutes
    checks = (
        ((case is None) != (place is None), "/environment", msg("Name one environment or one case.")),
        (place is None or place in institution.environments, "/environment", msg("Choose one of your environments.")),
        (case is None or 1 <= len(case) <= 40, "/case", msg("A case number has from 1 to 40 characters.")),
        (
            MIN_MINUTES <= offered.max_window_minutes <= most,
            "/minutes",
            told("From %(min_minutes)s to %(most)s minutes.", min_minutes=MIN_MINUTES, most=most),
        ),
        (1 <= offered.uses <= MAX_USES, "/uses", told("From 1 to %(max_uses)s uses.", max_uses=MAX_USES)),
        (
            now < offered.not_after <= now + MAX_AHEAD,
            "/not_after",
            told("At most %(days)s days away, not past.", days=MAX_AHEAD.days),
        ),
        (len(offered.roles) <= MAX_ROLES, "/role", told("At most %(max_roles)s roles.", max_roles=MAX_ROLES)),
        (all(1 <= len(role) <= 100 for role in offered.roles), "/role", msg("Each role has from 1 to 100 characters.")),
        (sorted_unique(offered.roles), "/role", msg("Each role once.")),
    )
    errors = tuple(FieldError(pointer, detail) for holds, pointer, detail in checks if not holds)
    return Refusal("validation", errors[0].detail, errors) if errors else None


def judge_giver(standing: StandingApproval, institution: Institution, person: str, now: datetime) -> Refusal | None:
    """Why this person may not give, or join in giving, it now."""
    if institution.enrolled_at is None:
        return Refusal("institution-not-enrolled", msg("The institution has not confirmed its enrolment yet."))
    if not institution.policy.standing_approvals_allowed:
        return Refusal("standing-not-allowed", msg("The institution's policy allows no standing approvals."))
    if not may_give(standing, institution, person):
        return Refusal("not-approver", msg("Only an approver for what is given may give it."))
    if any(giver.person == person for giver in standing.givers):
        return Refusal("already-answered", msg("You have given this standing approval already."))
    if not standing.open_at(now):
        return Refusal("wrong-state", msg("The standing approval is over."), extra=(("status", "ended"),))
    return None


def may_give(standing: StandingApproval, institution: Institution, person: str) -> bool:
    """Whether they may answer for what it covers: an environment's product, or for a case any environment's."""
    return any(eligible(institution, person, product) for product in products_of(standing, institution))


def wanted(standing: StandingApproval, institution: Institution) -> int:
    """How many have to give: as many as would have to approve the widest request that it admits."""
    policy, most = institution.policy, institution.policy.second_approval_over_minutes
    longest = min(standing.max_window_minutes, policy.max_window_minutes)
    return policy.approvals_required + ((most is not None and longest > most) or not _always_working(policy))


def enough(standing: StandingApproval, institution: Institution) -> bool:
    """Whether as many have given as have to."""
    return len({giver.person for giver in standing.givers}) >= wanted(standing, institution)


def still_holds(standing: StandingApproval, institution: Institution) -> bool:
    """Whether the policy still allows it, and every giver still holds the role it was given by."""
    products = products_of(standing, institution)
    return institution.policy.standing_approvals_allowed and all(
        any(holds_role(institution, giver.person, product) for product in products) for giver in standing.givers
    )


def window_on(
    standing: StandingApproval, request: AccessRequest, institution: Institution, now: datetime
) -> Span | Unfit:
    """The window that a request gets on it, after policy cuts; or why it serves none."""
    asked = request.asked
    fits = standing.admits(
        case_number=request.case_number, environment=request.environment, roles=asked.roles, minutes=asked.minutes
    )
    if not fits or not institution.policy.standing_approvals_allowed or not standing.open_at(now):
        return Unfit("standing-unfit", "the standing approval does not admit this request")
    found = intersect(asked, (), now)
    window = None if found is None else clip(found[0].start, min(found[0].end, standing.not_after), found[0])
    product = institution.environments[request.environment].product
    if window is None or any(not holds_role(institution, each.person, product) for each in standing.givers):
        return Unfit("standing-unfit", "a giver no longer holds the role, or nothing of the window is left")
    givers = len({giver.person for giver in standing.givers})
    if givers < max(wanted(standing, institution), needed(institution.policy, window, institution)):
        return Unfit("standing-too-few", "fewer gave than the policy asks for the widest request that it admits")
    left = cut(window, institution.policy, institution.zone, implementation=False)
    return left or Unfit("outcome-differs", "hours or closed dates leave nothing of this window")


def standing_grant(
    request: AccessRequest, institution: Institution, standing: StandingApproval, now: datetime, grant_id: str
) -> list[Event] | Unfit:
    """The approval at once on a standing approval, in the append of the request's creation."""
    window = window_on(standing, request, institution, now)
    if isinstance(window, Unfit):
        return window
    roles = request.asked.roles
    return approved_events(request.id, SERVICE, "standing", (), grant_id, window, roles, now, standing.id)


def products_of(standing: StandingApproval, institution: Institution) -> set[str]:
    """The products of what it is for: its environment's, or for a case those of every environment."""
    places = institution.environments
    return {place.product for name, place in places.items() if standing.environment in (None, name)}


def _always_working(policy: Policy) -> bool:
    """Whether no window can lie outside the working hours."""
    inside = {(each.day, minute) for each in policy.working_hours for minute in range(each.start, each.end)}
    return not policy.working_hours or len(inside) == len(DAYS) * DAY_MINUTES
