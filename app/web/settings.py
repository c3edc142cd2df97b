"""Settings: the overview, and one change that waits: read, then countersigned at the provider or rejected."""

from __future__ import annotations

from starlette.responses import Response

from app.actions import bounces, changes
from app.actions.change_views import ChangeView
from app.actions.doors import door
from app.actions.settings import overview
from app.actions.signin import Visitor
from app.domain.errors import Refusal, Refused
from app.web import sessions
from app.web.call import Call, CallDep
from app.web.failures import status_of
from app.web.guard import SignedIn, VisitorsForm
from app.web.page_route import GET, pages

router = pages()
PATH = "/settings"
CHANGES = "/settings/changes"
# What the page of the change itself can say better than a page of failure.
_ON_PAGE = frozenset(
    {"own-change", "change-outdated", "sign-in-untested", "countersignature-needed", "validation", "last-admin"}
)


@router.api_route(PATH, methods=GET)
async def settings(call: CallDep, visitor: SignedIn) -> Response:
    """The overview for admins; settings are one's own sessions for everybody else."""
    if "admin" not in visitor.roles:
        return call.go(sessions.PATH)
    found = await overview(call.services, visitor)
    lost = await bounces.lost(call.services, visitor)
    return call.page("settings.html", {"all": found, "lost": lost}, visitor=visitor)


@router.api_route(CHANGES + "/{change_id}", methods=GET)
async def one(call: CallDep, visitor: SignedIn, change_id: str) -> Response:
    """A change that waits: what is now, what would be, and the sentence to sign."""
    return await _page(call, visitor, await changes.change(call.services, visitor, change_id), None)


@router.post(CHANGES + "/{change_id}")
async def answer(call: CallDep, visitor: SignedIn, form: VisitorsForm, change_id: str) -> Response:
    """Reject it; approve what makes nothing easier; or go on to the provider with the sentence that was shown."""
    if form.one("reject"):
        await changes.reject(call.services, visitor, change_id, form.one("reason").strip())
        return call.go(PATH)
    try:
        if form.one("approve"):
            await changes.approve(call.services, visitor, change_id)
            return call.go(PATH)
        browser = None if call.fresh else call.browser
        begun = await changes.countersign(call.services, visitor, change_id, form.one("statement"), browser)
    except Refused as refused:
        if refused.refusal.problem not in _ON_PAGE:
            raise
        shown = await changes.change(call.services, visitor, change_id)
        return await _page(call, visitor, shown, refused.refusal)
    response = call.go(begun.url)
    call.keep_browser(response, begun.cookie)
    return response


async def _page(call: Call, visitor: Visitor, shown: ChangeView, refusal: Refusal | None) -> Response:
    into = await door(call.services, visitor.code) if shown.loosens and shown.answerable else None
    status = 200 if refusal is None else status_of(refusal)
    values = {"change": shown, "refusal": refusal}
    origins = () if into is None else into.origins
    return call.page("change.html", values, status=status, visitor=visitor, origins=origins)
