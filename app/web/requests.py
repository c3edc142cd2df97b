"""The list of requests, one request, its answer, the check of an answer, and taking access back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from app.actions import bounces, decisions, drafting, findings, reviews
from app.actions.answers import Answer
from app.actions.board import board
from app.actions.doors import door
from app.actions.signin import Visitor
from app.actions.views import RequestView
from app.actions.watching import sessions_of
from app.domain import role_catalogue
from app.domain.errors import Refusal, Refused
from app.domain.kinds import VENDOR
from app.domain.request import Status
from app.web.call import Call, CallDep
from app.web.guard import Form, SignedIn, VisitorsForm
from app.web.page_route import GET, pages
from app.web.pictures import day_of, shown_week
from app.web.review import Standing, as_answer, check, choices, messages, standing

router = pages()


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The list, by what it asks of its reader."""

    waiting: tuple[Standing, ...]
    open: tuple[Standing, ...]
    upcoming: tuple[Standing, ...]
    past: tuple[Standing, ...]
    now: datetime | None


def dashboard(views: tuple[RequestView, ...], visitor: Visitor, now: datetime | None) -> Dashboard:
    """Requests sorted into their groups."""
    every = [standing(view, visitor) for view in views]
    living = {Status.PENDING, Status.ACTIVE, Status.APPROVED}
    waiting, opened, upcoming = (
        tuple(each for each in every if each.view.status is status)
        for status in (Status.PENDING, Status.ACTIVE, Status.APPROVED)
    )
    past = tuple(each for each in every if each.view.status not in living)
    return Dashboard(waiting, opened, upcoming, past, now)


@router.api_route("/requests", methods=GET)
async def listed(call: CallDep, visitor: SignedIn, week: str = "") -> Response:
    """The requests of the institution, and the week that holds a day; the vendor's own people go on to institutions."""
    if visitor.code == VENDOR:
        return call.go("/institutions")
    found = await board(call.services, visitor, day_of(week))
    if found is None:
        return call.page("requests.html", {"board": dashboard((), visitor, None), "week": None}, visitor=visitor)
    values = {
        "board": dashboard(found.views, visitor, found.now),
        "found": found,
        "in_use": found.in_use,
        "week": shown_week(found, visitor),
        "lost": await bounces.lost_of_requests(call.services, visitor),
    }
    return call.page("requests.html", values, visitor=visitor)


@router.api_route("/requests/{request_id}", methods=GET)
async def read(call: CallDep, visitor: SignedIn, request_id: str, draft: str = "") -> Response:
    """One request, by its state; with an open draft of the visitor's, the form as they filled it."""
    view = await reviews.review(call.services, visitor, request_id)
    return await _page(call, visitor, view, await _kept(call, visitor, request_id, draft))


@router.post("/requests/{request_id}/answer")
async def answer(call: CallDep, visitor: SignedIn, form: VisitorsForm, request_id: str) -> Response:
    """Answer: approve and deny go on to the check page, a question is sent at once."""
    given = read_answer(form)
    try:
        draft = await drafting.answer(call.services, visitor, request_id, given)
    except Refused as refused:
        return await refused_answer(call, visitor, request_id, refused.refusal, given)
    path = f"/requests/{request_id}"
    return call.go(path if draft is None else f"{path}/check/{draft}")


@router.api_route("/requests/{request_id}/check/{draft_id}", methods=GET)
async def look(call: CallDep, visitor: SignedIn, request_id: str, draft_id: str) -> Response:
    """What was asked against what is answered; for an approval, the statement that will be signed."""
    draft = await drafting.draft(call.services, visitor, request_id, draft_id)
    into = await door(call.services, visitor.code) if draft.verdict == "approve" else None
    origins = () if into is None else into.origins
    shown = check(draft, visitor)
    return call.page("check.html", {"check": shown, "times": shown.standing.times}, visitor=visitor, origins=origins)


@router.post("/requests/{request_id}/check/{draft_id}")
async def confirm(call: CallDep, visitor: SignedIn, form: VisitorsForm, request_id: str, draft_id: str) -> Response:  # noqa: ARG001 -- the form is a guard
    """Confirm: an approval goes on to the provider, a denial is recorded."""
    browser = None if call.fresh else call.browser
    try:
        begun = await decisions.confirm(call.services, visitor, request_id, draft_id, browser)
    except Refused as refused:
        return await refused_answer(call, visitor, request_id, refused.refusal, Answer())
    if begun is None:
        return call.go(f"/requests/{request_id}")
    response = call.go(begun.url)
    call.keep_browser(response, begun.cookie)
    return response


@router.post("/requests/{request_id}/revoke")
async def revoke(call: CallDep, visitor: SignedIn, form: VisitorsForm, request_id: str) -> Response:
    """Take access back, in one press."""
    await decisions.revoke(call.services, visitor, request_id, form.one("reason").strip())
    return call.go(f"/requests/{request_id}")


@router.post("/requests/{request_id}/dispute")
async def dispute(call: CallDep, visitor: SignedIn, form: VisitorsForm, request_id: str) -> Response:
    """Dispute what was reported; the request's page then says so, with the finding."""
    try:
        await findings.dispute(call.services, visitor, request_id, form.one("why"))
    except Refused as refused:
        if refused.refusal.problem != "validation":
            raise
        view = await reviews.review(call.services, visitor, request_id)
        return await _page(call, visitor, view, Answer(why=form.one("why")), refused.refusal)
    return call.go(f"/requests/{request_id}")


def read_answer(form: Form) -> Answer:
    """The answer form as it was sent."""
    return Answer(
        decision=form.one("decision"),
        window=form.one("window"),
        from_=form.one("from"),
        to=form.one("to"),
        roles=form.all("role"),
        note=form.one("note"),
        why=form.one("why"),
        q=form.one("q"),
    )


async def refused_answer(call: Call, visitor: Visitor, request_id: str, refusal: Refusal, given: Answer) -> Response:
    """The form again with what is wrong; or that the request is decided already, with the way to take it back."""
    if refusal.problem == "validation":
        view = await reviews.review(call.services, visitor, request_id)
        return await _page(call, visitor, view, given, refusal)
    if refusal.problem == "wrong-state":
        shown = standing(await reviews.review(call.services, visitor, request_id), visitor)
        return call.page("decided.html", {"r": shown, "times": shown.times}, status=409, visitor=visitor)
    raise Refused(refusal)


async def _page(
    call: Call, visitor: Visitor, view: RequestView, given: Answer | None, refusal: Refusal | None = None
) -> Response:
    shown = standing(view, visitor)
    used = () if view.request.grant is None else await sessions_of(call.services, visitor, view.row.id)
    lost = await bounces.lost_of_requests(call.services, visitor)
    answer = given or Answer(window="full", roles=view.request.asked.roles)
    values = {
        "r": shown,
        "times": shown.times,
        "round": await reviews.surroundings(call.services, visitor, view.row.environment) if shown.pending else None,
        "can": role_catalogue.known(shown.environment.product, view.request.asked.roles),
        "answer": answer,
        "sessions": used,
        "lost": lost.get(view.row.id, {}),
        "choices": choices(view, answer) if shown.may_answer else None,
        "errors": () if refusal is None else messages(refusal.errors, shown.first),
    }
    return call.page("request.html", values, status=200 if refusal is None else 422, visitor=visitor)


async def _kept(call: Call, visitor: Visitor, request_id: str, draft: str) -> Answer | None:
    if not draft:
        return None
    try:
        return as_answer(await drafting.draft(call.services, visitor, request_id, draft))
    except Refused:
        return None
