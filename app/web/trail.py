"""The audit trail, as far as it is shown yet: take it with you, as a bundle that verifies offline or as rows."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from app.actions.derived import take
from app.actions.export import Asked
from app.actions.signin import Visitor
from app.web.call import Call, CallDep
from app.web.guard import Form, SignedIn, VisitorsForm
from app.web.page_route import GET, pages

router = pages()


@router.api_route("/trail", methods=GET)
async def trail(call: CallDep, visitor: SignedIn) -> Response:
    """What the trail is, and the export for auditors."""
    return call.page("trail.html", visitor=visitor)


@router.post("/trail/export")
async def download(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """The whole trail, or one request: as a bundle, or as rows."""
    return await taken(call, visitor, visitor.code, form)


async def taken(call: Call, visitor: Visitor, code: str, form: Form) -> Response:
    """The export that a form asks for. Its event is committed before the first byte leaves."""
    export = await take(call.services, visitor, code, Asked(form.one("as"), form.one("request") or None))
    headers = {"Content-Disposition": f'attachment; filename="{export.filename}"'}
    return StreamingResponse(export.pieces, media_type=export.media_type, headers=headers)
