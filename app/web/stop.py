"""Ending all access with a printed stop code, without a sign-in; and the settings page that makes the codes."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from starlette.responses import Response

from app.actions import stop_codes
from app.domain.errors import Refusal, Refused
from app.web.call import Call, CallDep
from app.web.failures import status_of
from app.web.guard import SignedIn, StrangersForm, VisitorsForm
from app.web.language import speak
from app.web.page_route import GET, pages
from app.web.times import Times

router = pages()
PATH = "/settings/stop-codes"


@router.api_route("/stop", methods=GET)
async def ask(call: CallDep) -> Response:
    """The form. It looks the same to everybody, signed in or not."""
    return call.page("stop.html", {"institution": "", "stop_code": "", "refusal": None})


@router.post("/stop")
async def stop(call: CallDep, form: StrangersForm) -> Response:
    """End all access; or the form again, whatever did not fit."""
    institution, code = form.one("institution"), form.one("stop_code")
    try:
        stopped = await stop_codes.stop(call.services, institution, code, call.where)
    except Refused as refused:
        if refused.refusal.problem not in {"stop-refused", "too-many-requests"}:
            raise
        return _again(call, institution, code, refused.refusal)
    speak(stopped.locale)
    times = Times(ZoneInfo(stopped.time_zone))
    return call.page("stop_done.html", {"stopped": stopped, "code": institution.strip().upper(), "times": times})


def _again(call: Call, institution: str, code: str, refusal: Refusal) -> Response:
    values = {"institution": institution, "stop_code": code, "refusal": refusal}
    values |= {"left": int(dict(refusal.extra).get("left", 0)), "minutes": -(-(refusal.retry_after or 900) // 60)}
    response = call.page("stop.html", values, status=status_of(refusal))
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


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
