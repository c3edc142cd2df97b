"""Sessions of engineers, for the institution's people: taking one away, and what was recorded of it."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from app.actions.ledger import NOT_FOUND
from app.actions.recordings import MAX_NUMBER, read_part
from app.actions.session_access import end_access
from app.domain.errors import Refused
from app.web.call import CallDep
from app.web.guard import SignedIn, VisitorsForm
from app.web.page_route import GET, pages

router = pages()


@router.post("/sessions/{session_id}/end")
async def end(call: CallDep, visitor: SignedIn, form: VisitorsForm, session_id: str) -> Response:  # noqa: ARG001 -- the form is a guard
    """End this session, in one press; the window of its request stays open."""
    return call.go(f"/requests/{await end_access(call.services, visitor, session_id)}")


@router.api_route("/sessions/{session_id}/recording/{n}", methods=GET)
async def part(call: CallDep, visitor: SignedIn, session_id: str, n: str) -> Response:
    """A part of the recording, as a file and never as a page of ours: it holds what the engineer's screen held."""
    if not (n.isascii() and n.isdigit() and 0 < int(n[:9]) <= MAX_NUMBER):
        raise Refused(NOT_FOUND)
    found = await read_part(call.services, visitor, session_id, int(n))
    headers = {
        "Content-Disposition": f'attachment; filename="{session_id}-{int(n)}"',
        "X-Recording-Type": found.content_type,
        "Cache-Control": "no-store",
    }
    return StreamingResponse(found.pieces, 200, headers, "application/octet-stream")
