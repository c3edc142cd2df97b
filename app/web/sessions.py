"""Settings, sessions: where one is signed in oneself, and signing out everywhere."""

from __future__ import annotations

from starlette.responses import Response

from app.actions import own_sessions
from app.web.call import CallDep
from app.web.guard import SignedIn, VisitorsForm
from app.web.page_route import GET, pages

router = pages()
PATH = "/settings/sessions"


@router.api_route(PATH, methods=GET)
async def listed(call: CallDep, visitor: SignedIn) -> Response:
    """One's own sessions, whatever one's roles."""
    found = await own_sessions.own_sessions(call.services, visitor)
    return call.page("sessions.html", {"sessions": found}, visitor=visitor)


@router.post(PATH)
async def end(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:  # noqa: ARG001 -- the form is a guard
    """Sign out everywhere, here too."""
    await own_sessions.sign_out_everywhere(call.services, visitor)
    response = call.go("/sign-in")
    call.drop_session(response)
    return response
