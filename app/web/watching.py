"""Sessions of engineers, for the institution's people: one to watch, taking it away, and what was recorded of it."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from app.actions.ledger import NOT_FOUND
from app.actions.live import Live
from app.actions.recordings import MAX_NUMBER, NOT_READER, read_part
from app.actions.session_access import end_access
from app.actions.watching import read_session
from app.domain.errors import Refused
from app.web.call import CallDep
from app.web.guard import SignedIn, Staying, VisitorsForm
from app.web.live import LiveStream
from app.web.page_route import GET, pages
from app.web.sessionview import session_shown

router = pages()
SCRIPT = "session.js"
PLAYERS = ("rrweb-replay.js", "replay.js")


@router.api_route("/sessions/{session_id}", methods=GET)
async def read(call: CallDep, visitor: SignedIn, session_id: str, before: str = "", parts: str = "") -> Response:
    """One session; what happened before number `before`, parts below number `parts`."""
    page = await read_session(call.services, visitor, session_id, number(before), number(parts))
    shown = session_shown(page, visitor)
    live = page.living and not before and not parts
    values = {"s": shown, "times": shown.r.times, "live": live}
    return call.page("session.html", values, visitor=visitor, scripts=(SCRIPT,) if live else ())


@router.get("/sessions/{session_id}/events")
async def events(call: CallDep, visitor: Staying, session_id: str) -> Response:
    """The same page as it changes, for its script."""
    await read_session(call.services, visitor, session_id)
    live = Live(call.services, call.session, session_id)
    live.admit(visitor)
    return LiveStream(live, visitor)


@router.api_route("/sessions/{session_id}/replay", methods=GET)
async def replay(call: CallDep, visitor: SignedIn, session_id: str, parts: str = "") -> Response:
    """Parts of the recording to play, for those who may read them; opening this reads none."""
    page = await read_session(call.services, visitor, session_id, before_part=number(parts))
    if not page.may_read:
        raise Refused(NOT_READER)
    shown = session_shown(page, visitor)
    values = {"s": shown, "times": shown.r.times, "scripts": PLAYERS}
    return call.page("session_replay.html", values, visitor=visitor, scripts=PLAYERS, plays=True)


def number(text: str) -> int | None:
    """A number of an address; null for whatever else stands there."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


@router.post("/sessions/{session_id}/end")
async def end(call: CallDep, visitor: SignedIn, form: VisitorsForm, session_id: str) -> Response:  # noqa: ARG001 -- the form is a guard
    """End this session, in one press; the window of its request stays open."""
    await end_access(call.services, visitor, session_id)
    return call.go(f"/sessions/{session_id}")


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
