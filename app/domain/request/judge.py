"""How votes, grants and tokens are judged: quorum on the intersection, policy cuts, and what would be given today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.domain.errors import Refusal
from app.domain.institution import Institution, eligible, holds_role, implementation_over, implementing
from app.domain.languages import msg, told
from app.domain.policy import Policy
from app.domain.request.life import AccessRequest, Grant, status_at
from app.domain.request.states import Status
from app.domain.terms import Terms, intersect, widened
from app.domain.window import Span, allowed, cut, longest, outside_working_hours

EMPTY: Literal["empty-intersection"] = "empty-intersection"
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the votes give: the window after policy cuts, the roles, and the indexes of all approving votes."""

    window: Span
    roles: tuple[str, ...]
    decisions: tuple[int, ...]


def needed(policy: Policy, window: Span, institution: Institution) -> int:
    """How many approvals the policy asks for a window (before its cuts)."""
    most = policy.second_approval_over_minutes
    long = most is not None and window.length > timedelta(minutes=most)
    return policy.approvals_required + (long or outside_working_hours(window, policy, institution.zone))


def counted(request: AccessRequest, institution: Institution) -> int:
    """How many approving votes count: their givers hold the role now, wherever they are bound."""
    product = institution.environments[request.environment].product
    return len({vote.person for vote in request.approving if holds_role(institution, vote.person, product)})


def approvals(request: AccessRequest, institution: Institution, now: datetime) -> tuple[int, int]:
    """Approvals required and given, judged on the intersection so far; once approved, both are its votes."""
    if request.grant is not None:
        return len(request.grant.decisions), len(request.grant.decisions)
    found = _intersection(request, now)
    required = institution.policy.approvals_required
    if found is not None:
        required = needed(institution.policy, found[0], institution)
    return required, counted(request, institution)


def judge_votes(
    request: AccessRequest, institution: Institution, now: datetime
) -> Outcome | Literal["empty-intersection"] | None:
    """What the approving votes give when the last comes at `now`: an outcome, nothing in common, or not yet enough.

    All votes narrow; only those whose givers still hold the role count.
    """
    found = _intersection(request, now)
    if found is None:
        return EMPTY
    if counted(request, institution) < needed(institution.policy, found[0], institution):
        return None
    window = cut(found[0], institution.policy, institution.zone, implementation=False)
    if window is None:
        return EMPTY
    return Outcome(window, found[1], tuple(vote.index for vote in request.approving))


def judge_answer(
    request: AccessRequest,
    institution: Institution,
    person_id: str,
    verdict: str,
    terms: Terms | None,
    now: datetime,
    *,
    own_request: bool = False,
) -> Refusal | None:
    """Why this person may not give this answer now; None when they may. `own_request`: they are its engineer."""
    status = status_at(request, now)
    if institution.enrolled_at is None:
        return Refusal("institution-not-enrolled", msg("The institution has not confirmed its enrolment yet."))
    if own_request:
        return Refusal("own-request", msg("Nobody decides on their own request."))
    if not eligible(institution, person_id, institution.environments[request.environment].product):
        return Refusal("not-approver", msg("Only an approver of the institution may answer this request."))
    if status is not Status.PENDING:
        return wrong_state(status)
    if verdict != "approve":
        return None
    if any(vote.person == person_id for vote in request.votes):
        return Refusal("already-answered", msg("You have approved this request; you may still deny it."))
    errors = () if terms is None else widened(request.asked, terms, now)
    return Refusal("validation", errors[0].detail, errors) if errors else None


def wrong_state(status: Status) -> Refusal:
    """The refusal of a command that came too late, with the state that won."""
    return Refusal("wrong-state", told("The request is %(status)s.", status=status), extra=(("status", status.value),))


def may_mint(request: AccessRequest, now: datetime) -> Grant | Refusal:
    """The grant under which a token may be minted now, or why none may."""
    status, grant = status_at(request, now), request.grant
    if grant is None:
        return Refusal(
            "not-approved", told("The request is %(status)s.", status=status), extra=(("status", status.value),)
        )
    if status is Status.APPROVED:
        wait = -((now - grant.not_before) // _SECOND)
        return Refusal(
            "window-not-open", msg("The window has not begun."), retry_after=wait, extra=(("status", status.value),)
        )
    if status is not Status.ACTIVE:
        return Refusal(
            "grant-ended", told("The grant is over: %(status)s.", status=status), extra=(("status", status.value),)
        )
    return grant


def reassess(request: AccessRequest, institution: Institution, now: datetime) -> bool:
    """Whether the running grant would not be given today (`events.md`, *Windows*); False where none runs."""
    grant = request.grant
    if grant is None or status_at(request, now) not in {Status.APPROVED, Status.ACTIVE}:
        return False
    policy, on_phase = institution.policy, grant.ground == "implementation"
    left = Span(max(now, grant.not_before), grant.not_after)
    return (
        grant.window.length > longest(policy, implementation=on_phase)
        or allowed(left, policy, institution.zone) != [left]
        or not _ground_holds(request, grant, institution, now)
    )


def _ground_holds(request: AccessRequest, grant: Grant, institution: Institution, now: datetime) -> bool:
    over = implementation_over(institution, request.environment)
    if grant.ground == "implementation":
        return over is not None and grant.not_after <= over
    if not request.escalated and not implementing(institution, request.environment, now):
        return False
    if grant.ground == "standing":
        return institution.policy.standing_approvals_allowed
    found = _intersection(request, grant.given_at)
    return found is not None and len(grant.decisions) >= needed(institution.policy, found[0], institution)


def _intersection(request: AccessRequest, at: datetime) -> tuple[Span, tuple[str, ...]] | None:
    return intersect(request.asked, [vote.terms for vote in request.approving if vote.terms is not None], at)
