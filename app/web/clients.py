"""Settings, API clients: whose machines may read this institution's trail. They are made by the operator."""

from __future__ import annotations

from starlette.responses import Response

from app.actions import own_clients
from app.web.call import CallDep
from app.web.guard import SignedIn
from app.web.page_route import GET, pages

router = pages()
PATH = "/settings/clients"


@router.api_route(PATH, methods=GET)
async def listed(call: CallDep, visitor: SignedIn) -> Response:
    """The list, for admins."""
    found = await own_clients.readers(call.services, visitor)
    return call.page("clients.html", {"clients": found}, visitor=visitor)
