"""Settings, general: the institution's name, its language and zone, and the addresses that notices go to."""

from __future__ import annotations

from starlette.responses import Response

from app.actions import general
from app.actions.general import General
from app.actions.signin import Visitor
from app.domain.errors import Refusal, Refused
from app.web.call import Call, CallDep
from app.web.failures import status_of
from app.web.guard import Form, SignedIn, VisitorsForm
from app.web.page_route import GET, pages
from app.web.settings import CHANGES
from app.web.settings import PATH as OVERVIEW

router = pages()
PATH = "/settings/notifications"


@router.api_route(PATH, methods=GET)
async def shown(call: CallDep, visitor: SignedIn) -> Response:
    """What is in force, for admins."""
    return _page(call, visitor, await general.current(call.services, visitor), None)


@router.post(PATH)
async def keep(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Keep what the form says: name and language at once, other addresses or another zone as a change that waits."""
    wanted = read_general(form)
    try:
        change_id = await general.save(call.services, visitor, wanted)
    except Refused as refused:
        if refused.refusal.problem != "validation":
            raise
        return _page(call, visitor, wanted, refused.refusal)
    return call.go(OVERVIEW if change_id is None else f"{CHANGES}/{change_id}")


def read_general(form: Form) -> General:
    """The form as it was sent; one address a line."""
    notify = tuple(filter(None, map(str.strip, form.one("notify").splitlines())))
    return General(form.one("name").strip(), form.one("locale"), form.one("timezone").strip(), notify)


def _page(call: Call, visitor: Visitor, found: General, refusal: Refusal | None) -> Response:
    wrong = {} if refusal is None else {each.pointer[1:].partition("/")[0]: each.detail for each in refusal.errors}
    values = {"general": found, "refusal": refusal, "wrong": wrong}
    status = 200 if refusal is None else status_of(refusal)
    return call.page("general.html", values, status=status, visitor=visitor)
