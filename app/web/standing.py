"""Settings, standing approvals: what is approved in advance, giving and joining by a countersignature, taking back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from starlette.responses import Response

from app.actions import giving, standing
from app.actions.doors import door
from app.actions.signin import Visitor
from app.domain.errors import FieldError, Refusal, Refused
from app.domain.standing import StandingApproval
from app.domain.times import parse_wire
from app.domain.window import day_over
from app.web.call import Call, CallDep
from app.web.failures import status_of
from app.web.guard import Form, SignedIn, VisitorsForm
from app.web.page_route import GET, pages

router = pages()
PATH = "/settings/standing-approvals"
ROLE_FIELDS = 5
_DAY = re.compile(r"2\d{3}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"\d{1,6}", re.ASCII)
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """The form as it was sent."""

    environment: str = ""
    case: str = ""
    roles: tuple[str, ...] = ()
    minutes: str = ""
    uses: str = ""
    not_after: str = ""


@router.api_route(PATH, methods=GET)
async def listed(call: CallDep, visitor: SignedIn) -> Response:
    """All there are, and the form for approvers where the policy allows it."""
    return await _page(call, visitor, Asked(), None)


@router.post(PATH)
async def offer(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Take the form; on to the check page, or the form again with what is wrong."""
    asked = _read(form)
    try:
        overview = await standing.overview(call.services, visitor)
        draft = await giving.offer(call.services, visitor, _offered(asked, overview))
    except Refused as refused:
        if refused.refusal.problem != "validation":
            raise
        return await _page(call, visitor, asked, refused.refusal)
    return call.go(f"{PATH}/check/{draft}")


@router.api_route(PATH + "/check/{draft_id}", methods=GET)
async def look(call: CallDep, visitor: SignedIn, draft_id: str) -> Response:
    """The sentence and the statement that will be signed."""
    draft = await giving.draft(call.services, visitor, draft_id)
    into = await door(call.services, visitor.code)
    origins = () if into is None else into.origins
    return call.page("standing_check.html", {"draft": draft}, visitor=visitor, origins=origins)


@router.post(PATH + "/check/{draft_id}")
async def confirm(call: CallDep, visitor: SignedIn, form: VisitorsForm, draft_id: str) -> Response:  # noqa: ARG001 -- the form is a guard
    """On to the provider, where the sentence is countersigned."""
    begun = await giving.confirm(call.services, visitor, draft_id, None if call.fresh else call.browser)
    response = call.go(begun.url)
    call.keep_browser(response, begun.cookie)
    return response


@router.post(PATH + "/{standing_id}")
async def act(call: CallDep, visitor: SignedIn, form: VisitorsForm, standing_id: str) -> Response:
    """Join those who gave one, or take it back in one press."""
    if form.one("act") == "join":
        return call.go(f"{PATH}/check/{await giving.join(call.services, visitor, standing_id)}")
    if form.one("act") != "end":
        raise Refused(Refusal.of_field("/act", "Join, or end."))
    await standing.end(call.services, visitor, visitor.code, standing_id)
    return call.go(PATH)


def _read(form: Form) -> Asked:
    roles = tuple(sorted({role.strip() for role in form.all("role")} - {""}))
    names = ("environment", "case", "minutes", "uses", "not_after")
    words = {name: form.one(name).strip() for name in names}
    return Asked(roles=roles, **words)


def _offered(asked: Asked, overview: standing.Overview) -> StandingApproval:
    """The form as what it offers. Raises `Refused` validation; what the rules say is judged later."""
    wrong, numbers = [], {}
    for name in ("minutes", "uses"):
        text = getattr(asked, name)
        numbers[name] = int(text) if _NUMBER.fullmatch(text) else 0
        if numbers[name] == 0:
            wrong.append(FieldError(f"/{name}", "Give a whole number."))
    not_after = _instant(asked.not_after, overview)
    if not_after is None:
        wrong.append(FieldError("/not_after", "Give a day as YYYY-MM-DD."))
    if wrong:
        raise Refused(Refusal("validation", wrong[0].detail, tuple(wrong)))
    return StandingApproval(
        id="",
        case_number=asked.case or None,
        environment=asked.environment or None,
        roles=asked.roles,
        max_window_minutes=numbers["minutes"],
        uses=numbers["uses"],
        not_after=not_after or _NEVER,
    )


def _instant(text: str, overview: standing.Overview) -> datetime | None:
    """The end of a day in the institution's zone, or an instant in UTC."""
    try:
        if _DAY.fullmatch(text):
            return day_over(date.fromisoformat(text), overview.institution.zone)
        return parse_wire(text)
    except ValueError:
        return None


async def _page(call: Call, visitor: Visitor, asked: Asked, refusal: Refusal | None) -> Response:
    overview = await standing.overview(call.services, visitor)
    roles = (*asked.roles[:ROLE_FIELDS], *[""] * (ROLE_FIELDS - len(asked.roles)))
    values: dict[str, Any] = {"view": overview, "asked": asked, "roles": roles, "refusal": refusal}
    status = 200 if refusal is None else status_of(refusal)
    return call.page("standing.html", values, status=status, visitor=visitor)
