"""Sessions of engineers, for the institution's people: taking one away."""

from __future__ import annotations

from starlette.responses import Response

from app.actions.session_access import end_access
from app.web.call import CallDep
from app.web.guard import SignedIn, VisitorsForm
from app.web.page_route import pages

router = pages()


@router.post("/sessions/{session_id}/end")
async def end(call: CallDep, visitor: SignedIn, form: VisitorsForm, session_id: str) -> Response:  # noqa: ARG001 -- the form is a guard
    """End this session, in one press; the window of its request stays open."""
    return call.go(f"/requests/{await end_access(call.services, visitor, session_id)}")
