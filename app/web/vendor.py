"""Pages of the vendor's own people: which institutions there are, and the trail of one to take home."""

from __future__ import annotations

from starlette.responses import Response

from app.actions import vendor
from app.web.call import CallDep
from app.web.guard import SignedIn, VisitorsForm
from app.web.page_route import GET, pages
from app.web.trail import taken

router = pages()
PATH = "/institutions"


@router.api_route(PATH, methods=GET)
async def listed(call: CallDep, visitor: SignedIn) -> Response:
    """All institutions, for auditors and operators of the vendor."""
    found = await vendor.listed(call.services, visitor)
    return call.page("institutions.html", {"institutions": found}, visitor=visitor)


@router.api_route(PATH + "/{code}", methods=GET)
async def one(call: CallDep, visitor: SignedIn, code: str) -> Response:
    """One institution's trail, for auditors of the vendor."""
    found = await vendor.one(call.services, visitor, code)
    return call.page("institution.html", {"institution": found}, visitor=visitor)


@router.post(PATH + "/{code}/export")
async def download(call: CallDep, visitor: SignedIn, form: VisitorsForm, code: str) -> Response:
    """The trail of an institution, with private parts and evidence only where its policy shares them."""
    await vendor.one(call.services, visitor, code)
    return await taken(call, visitor, code, form)
