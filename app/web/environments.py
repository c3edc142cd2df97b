"""Settings, environments: which phase each is in, and the switch to support."""

from __future__ import annotations

from datetime import date

from babel.dates import format_date
from starlette.responses import Response

from app.actions import environments
from app.web.call import CallDep
from app.web.guard import SignedIn, VisitorsForm
from app.web.page_route import GET, pages

router = pages()
PATH = "/settings/environments"


@router.api_route(PATH, methods=GET)
async def listed(call: CallDep, visitor: SignedIn) -> Response:
    """The list, for admins."""
    found = await environments.environments(call.services, visitor)
    return call.page("environments.html", {"environments": found, "day": _day}, visitor=visitor)


@router.post(PATH)
async def switch(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Switch one to support."""
    await environments.switch_to_support(call.services, visitor, visitor.code, form.one("environment"))
    return call.go(PATH)


def _day(day: date) -> str:
    return format_date(day, "d MMM y", locale="en")
