"""Coming in and going out: where a mail's link leads, the institution's door, the provider's answer, signing out."""

from __future__ import annotations

from urllib.parse import quote
from zoneinfo import ZoneInfo

from starlette.responses import JSONResponse, Response

from app.actions import logout, signin
from app.actions.answers import Answer
from app.actions.callback import finish
from app.actions.doors import door
from app.actions.ledger import NOT_FOUND
from app.actions.reviews import landing
from app.actions.tries import may_begin
from app.domain.errors import Refused
from app.web.call import CallDep
from app.web.guard import HOME, AnybodySignedIn, SentForm, StrangersForm, VisitorsForm
from app.web.language import speak
from app.web.page_route import GET, pages
from app.web.requests import refused_answer
from app.web.times import Times

router = pages()


@router.api_route("/", methods=GET)
async def home(call: CallDep) -> Response:
    """The list of requests is home."""
    return call.go(HOME)


@router.api_route("/r/{short}", methods=GET)
async def mail_link(call: CallDep, short: str) -> Response:
    """Where a mail's link leads. Unknown and closed requests look alike."""
    found = await landing(call.services, short)
    into = None if found is None else await door(call.services, found.code)
    if found is None or into is None:
        return call.page("landing_closed.html", status=404)
    speak(into.locale)
    times = Times(ZoneInfo(into.time_zone))
    return call.page("landing.html", {"door": into, "landing": found, "times": times}, origins=into.origins)


@router.api_route("/sign-in", methods=GET)
async def choose(call: CallDep, institution: str = "", next: str = HOME) -> Response:  # noqa: A002 -- the field's name
    """Choose the institution by its code."""
    code = institution.strip().upper()
    if code and await door(call.services, code) is not None:
        return call.go(f"/sign-in/{code}?next={quote(next, safe='/')}")
    return call.page("sign_in.html", {"code": code, "next": next}, status=422 if code else 200)


@router.api_route("/sign-in/{code}", methods=GET)
async def at_the_door(call: CallDep, code: str, next: str = HOME) -> Response:  # noqa: A002 -- the field's name
    """One button, which leads to the institution's provider."""
    into = await door(call.services, code)
    if into is None:
        raise Refused(NOT_FOUND)
    speak(into.locale)
    return call.page("door.html", {"door": into, "next": next}, origins=into.origins)


@router.post("/sign-in/{code}")
async def begin(call: CallDep, code: str, form: StrangersForm) -> Response:
    """Off to the provider."""
    await may_begin(call.services, code, call.where)
    begun = await signin.begin(call.services, code, form.one("next"), call.browser)
    response = call.go(begun.url)
    call.keep_browser(response, begun.cookie)
    return response


@router.get("/callback/{code}")
async def back(call: CallDep, code: str) -> Response:
    """Back from the provider: a sign-in ends in a session, a countersignature in a decision. HEAD takes nothing."""
    parameters = call.request.query_params.multi_items()
    browser = None if call.fresh else call.browser
    try:
        finished = await finish(call.services, code, parameters, browser, call.session, call.where)
    except Refused as refused:
        visitor = await signin.visitor(call.services, call.session)
        request_id = dict(refused.refusal.extra).get("request")
        if visitor is None or request_id is None:
            raise
        return await refused_answer(call, visitor, request_id, refused.refusal, Answer())
    response = call.go(finished.next)
    if finished.cookie is not None:
        call.keep_session(response, finished.cookie)
    return response


@router.head("/callback/{code}")
async def look(code: str) -> Response:  # noqa: ARG001 -- of the path
    """Nothing: a look must not use up the answer."""
    return Response()


@router.post("/sign-out")
async def sign_out(call: CallDep, visitor: AnybodySignedIn, form: VisitorsForm) -> Response:  # noqa: ARG001 -- a guard
    """End the session here, and go on to where the provider ends its own."""
    response = call.go(await logout.sign_out(call.services, visitor) or "/sign-in")
    call.drop_session(response)
    return response


@router.post("/backchannel-logout/{code}")
async def signed_out_there(call: CallDep, code: str, form: SentForm) -> Response:
    """A provider tells that somebody signed out there (OpenID Connect Back-Channel Logout 1.0 §2.5, §2.8)."""
    try:
        await logout.provider_signed_out(call.services, code, form.one("logout_token"))
    except Refused as refused:
        told = {"error": "invalid_request", "error_description": refused.refusal.detail}
        return JSONResponse(told, 400)
    return Response(status_code=200)
