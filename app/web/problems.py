"""What each problem of the API means, at the address that its documents name as `type`."""

from __future__ import annotations

from starlette.responses import Response

from app.actions.ledger import NOT_FOUND
from app.actions.problems import REMEDIES, STATUS, TITLES
from app.domain.errors import Refused
from app.web.call import CallDep
from app.web.page_route import GET, pages

router = pages()


@router.api_route("/problems", methods=GET)
async def every(call: CallDep) -> Response:
    """All of them."""
    return call.page("problems.html", {"problems": sorted((slug, STATUS[slug], TITLES[slug]) for slug in STATUS)})


@router.api_route("/problems/{slug}", methods=GET)
async def problem(call: CallDep, slug: str) -> Response:
    """One of them."""
    if slug not in STATUS:
        raise Refused(NOT_FOUND)
    values = {"slug": slug, "status_code": STATUS[slug], "title": TITLES[slug], "remedy": REMEDIES[slug]}
    return call.page("problem.html", values)
