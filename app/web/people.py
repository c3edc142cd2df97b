"""Settings, people: who is on the list, and first sign-ins to confirm."""

from __future__ import annotations

from starlette.responses import Response

from app.actions import people
from app.domain.errors import Refusal, Refused
from app.web.call import CallDep
from app.web.guard import SignedIn, VisitorsForm
from app.web.page_route import GET, pages

router = pages()
PATH = "/settings/people"


@router.api_route("/settings", methods=GET)
async def settings(call: CallDep) -> Response:
    """People are all the settings there are yet."""
    return call.go(PATH)


@router.api_route(PATH, methods=GET)
async def listed(call: CallDep, visitor: SignedIn) -> Response:
    """The list, for admins."""
    view = await people.people(call.services, visitor)
    return call.page("people.html", {"people": view}, visitor=visitor)


@router.post(PATH)
async def confirm(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Say whether a first sign-in is that person's."""
    said = form.one("binding")
    if said not in {"confirm", "refuse"}:
        raise Refused(Refusal.of_field("/binding", "Confirm or refuse."))
    await people.confirm_binding(call.services, visitor, form.one("person"), confirm=said == "confirm")
    return call.go(PATH)
