"""Ending all access with a printed stop code, without a sign-in; and the settings page that makes the codes."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from starlette.responses import Response

from app.actions import stop_codes
from app.domain.errors import Refused
from app.web.call import CallDep
from app.web.guard import SignedIn, StrangersForm, VisitorsForm
from app.web.page_route import GET, pages
from app.web.times import Times

router = pages()
PATH = "/settings/stop-codes"


@router.api_route("/stop", methods=GET)
async def ask(call: CallDep) -> Response:
    """The form. It looks the same to everybody, signed in or not."""
    return call.page("stop.html", {"institution": "", "stop_code": "", "left": None})


@router.post("/stop")
async def stop(call: CallDep, form: StrangersForm) -> Response:
    """End all access; or the form again, whatever did not fit."""
    institution, code = form.one("institution"), form.one("stop_code")
    try:
        stopped = await stop_codes.stop(call.services, institution, code, call.where)
    except Refused as refused:
        if refused.refusal.problem != "stop-refused":
            raise
        values = {"institution": institution, "stop_code": code, "left": int(dict(refused.refusal.extra)["left"])}
        return call.page("stop.html", values, status=403)
    times = Times(ZoneInfo(stopped.time_zone))
    return call.page("stop_done.html", {"stopped": stopped, "code": institution.strip().upper(), "times": times})


@router.api_route(PATH, methods=GET)
async def codes(call: CallDep, visitor: SignedIn) -> Response:
    """What there is of codes, for admins; never a code."""
    view = await stop_codes.overview(call.services, visitor)
    return call.page("stop_codes.html", {"codes": view}, visitor=visitor)


@router.post(PATH)
async def make(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:  # noqa: ARG001 -- the form is a guard
    """Ten new codes, shown in this answer and never again."""
    made = await stop_codes.make(call.services, visitor)
    values = {"codes": made, "address": call.services.page("/stop")}
    return call.page("stop_codes_new.html", values, visitor=visitor)
