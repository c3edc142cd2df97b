"""Enrolment: the first admin reads what was laid down, compares the code and confirms."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from app.actions import enrolment, signin
from app.actions.enrolment import EnrolmentView
from app.actions.ledger import NOT_FOUND
from app.actions.signin import Visitor
from app.domain.errors import Refused
from app.web.call import Call, CallDep
from app.web.guard import AnybodySignedIn, Elsewhere, VisitorsForm
from app.web.page_route import GET, pages
from app.web.times import Times

router = pages()


@router.api_route("/enrol/{code}", methods=GET)
async def read(call: CallDep, code: str) -> Response:
    """What the code stands for; after the confirmation, that it was confirmed."""
    visitor = await signin.visitor(call.services, call.session)
    if visitor is None:
        path = f"/sign-in/{quote(code, safe='')}"
        raise Elsewhere(f"{path}?next={quote(f'/enrol/{code}', safe='/')}")
    call.request.state.visitor = visitor
    if visitor.code != code:
        raise Refused(NOT_FOUND)
    return _page(call, visitor, await enrolment.enrolment(call.services, visitor))


@router.post("/enrol/{code}")
async def confirm(call: CallDep, code: str, visitor: AnybodySignedIn, form: VisitorsForm) -> Response:
    """Confirm the code."""
    if visitor.code != code:
        raise Refused(NOT_FOUND)
    typed = form.one("enrolment_code")
    try:
        await enrolment.enrol(call.services, visitor, typed, call.where)
    except Refused as refused:
        if refused.refusal.problem != "enrolment-code-wrong":
            raise
        return _page(call, visitor, await enrolment.enrolment(call.services, visitor), typed)
    return call.go(f"/enrol/{code}")


def _page(call: Call, visitor: Visitor, view: EnrolmentView, typed: str | None = None) -> Response:
    values = {"enrolment": view, "times": Times(view.institution.zone), "typed": typed}
    if view.code_needed:
        return call.page("enrol.html", values, status=200 if typed is None else 422, visitor=visitor)
    return call.page("enrolled.html", values, visitor=visitor)
