"""The audit trail, as far as it is shown yet: take it with you, as a bundle that verifies offline."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from app.actions.export import export
from app.domain.errors import Refusal, Refused
from app.web.call import CallDep
from app.web.guard import SignedIn, VisitorsForm
from app.web.page_route import GET, pages

router = pages()


@router.api_route("/trail", methods=GET)
async def trail(call: CallDep, visitor: SignedIn) -> Response:
    """What the trail is, and the export for auditors."""
    return call.page("trail.html", visitor=visitor)


@router.post("/trail/export")
async def download(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """A bundle of the whole trail, or of one request. Its event is committed before the first byte leaves."""
    if form.one("as") != "bundle":
        raise Refused(Refusal.of_field("/as", "Choose a bundle; other forms come later."))
    bundle = await export(call.services, visitor, visitor.code, form.one("request") or None)
    headers = {"Content-Disposition": f'attachment; filename="{bundle.filename}"'}
    return StreamingResponse(bundle.pieces, media_type="application/zip", headers=headers)
