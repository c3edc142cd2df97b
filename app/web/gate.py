"""The gate's own pages, as engineers see them through nginx: entering, coming back from the sign-in, leaving.

They stand at the environment's host under `MOUNT`, beside pages that are not ours, so every address in them begins
there, and cookies are the gate's own. nginx sets the headers that are read here; a form needs no token of its own,
because it opens nothing by itself (the sign-in does), and the gate's cookie does not come with forms of other sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.actions import entering, leaving
from app.actions.credentials import GATE_COOKIE, Credential, read_credential
from app.actions.gate_recorder import MAX_BODY, record_page
from app.actions.gates import key_hash
from app.actions.journey import LIFE, Where
from app.actions.ledger import NOT_FOUND
from app.actions.passing import Question
from app.actions.services import Services
from app.domain.errors import Refusal, Refused
from app.domain.gate import plain
from app.identity.browser import cookie_name, is_own_path
from app.web import text
from app.web.call import MAX_AGENT, WebSettings, content_policy, render
from app.web.failures import status_of
from app.web.gate_failures import ENTER, MOUNT, gate_failure
from app.web.guard import Form, read_body, read_form
from app.web.page_route import GET, PageRoute, reference
from app.web.static_files import FILES
from app.web.times import Times

JOURNEY = "countersign-gate-journey"
MAX_ADDRESS = 100


class GateRoute(PageRoute):
    """Turns refusals into pages for engineers."""

    def refused(self, request: Request, refusal: Refusal) -> Response:  # noqa: ARG002 -- as pages of visitors need it
        """The page of a refusal."""
        values = {"shown": gate_failure(refusal), "reason": dict(refusal.extra).get("reason"), "reference": reference()}
        return _page("error.html", values, status=status_of(refusal))


router = APIRouter(route_class=GateRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class GateCall:
    """A call that nginx passed on from an engineer's browser."""

    request: Request
    services: Services
    web: WebSettings

    @property
    def key(self) -> str | None:
        """The key of the environment's gate."""
        return self.request.headers.get("countersign-gate-key")

    @property
    def where(self) -> Where:
        """Where the engineer is, as nginx tells it."""
        headers = self.request.headers
        ip = headers.get("x-real-ip") or ("" if self.request.client is None else self.request.client.host)
        return Where(text.shown(ip)[:MAX_ADDRESS], text.shown(headers.get("user-agent", ""))[:MAX_AGENT])

    @property
    def credential(self) -> Credential | None:
        """What the browser shows."""
        given = self.request.headers.get("authorization")
        return read_credential(self.services, self.cookie(GATE_COOKIE), given)

    @property
    def next(self) -> str:
        """The page that the engineer wanted, which nginx did not let through; else the environment's first."""
        wanted = self.request.headers.get("x-original-uri", "")
        ours = wanted.startswith(f"{MOUNT}/")
        return wanted if is_own_path(wanted) and not ours else entering.HOME

    def cookie(self, name: str) -> str | None:
        """The value of one of the gate's cookies."""
        return self.request.cookies.get(cookie_name(name, secure=self.web.secure))

    def keep(self, response: Response, name: str, value: str, max_age: int | None = None) -> None:
        """Set one of the gate's cookies."""
        secure = self.web.secure
        response.set_cookie(
            cookie_name(name, secure=secure),
            value,
            max_age=max_age,
            path="/",
            secure=secure,
            httponly=True,
            samesite="lax",
        )

    def drop(self, response: Response, name: str) -> None:
        """Take one of the gate's cookies away."""
        secure = self.web.secure
        response.delete_cookie(cookie_name(name, secure=secure), path="/", secure=secure, httponly=True, samesite="lax")


async def gate_call(request: Request) -> GateCall:
    """The call of a request."""
    return GateCall(request, request.app.state.services, request.app.state.web)


async def gate_form(call: Annotated[GateCall, Depends(gate_call)]) -> Form:
    """A form at the gate. Raises `Refused`."""
    return await read_form(call.request)


CallDep = Annotated[GateCall, Depends(gate_call)]
FormDep = Annotated[Form, Depends(gate_form)]


@router.api_route("/gate/enter", methods=GET)
async def ask(call: CallDep) -> Response:
    """The form to enter by; for whoever is in, how long, and the way out."""
    seen = await leaving.look(call.services, call.key, call.credential)
    values = {"look": seen, "next": call.next, "enter": ENTER, "times": Times(ZoneInfo(seen.time_zone))}
    return _page("gate.html", values, origins=seen.origins)


@router.post("/gate/enter")
async def enter(call: CallDep, form: FormDep) -> Response:
    """Off to the vendor's provider."""
    given = form.one("token").strip()
    begun = await entering.enter(call.services, call.key, given, form.one("next"), call.cookie(JOURNEY), call.where)
    response = RedirectResponse(begun.url, 303)
    call.keep(response, JOURNEY, begun.cookie, max_age=int(LIFE.total_seconds()))
    return response


@router.get("/gate/return")
async def back(call: CallDep) -> Response:
    """Back from the provider: the session is open, and the browser goes on. HEAD takes nothing."""
    parameters = call.request.query_params.multi_items()
    entered = await entering.come_back(call.services, call.key, parameters, call.cookie(JOURNEY), call.where)
    response = RedirectResponse(entered.next, 303)
    call.keep(response, GATE_COOKIE, entered.cookie)
    call.drop(response, JOURNEY)
    return response


@router.head("/gate/return")
async def look() -> Response:
    """Nothing: a look must not use up the answer."""
    return Response()


@router.post("/gate/leave")
async def leave(call: CallDep) -> Response:
    """End the session here. The gate's cookie does not come with forms of other sites."""
    await leaving.leave(call.services, call.key, call.credential)
    response = _page("gate_left.html", {})
    call.drop(response, GATE_COOKIE)
    return response


@router.get("/gate/recorder.js")
async def recorder(call: CallDep) -> Response:
    """The script that records the page it stands in, where that is switched on."""
    _switched_on(call)
    headers = {"Cache-Control": "private, max-age=300"}
    return Response(_RECORDER, 200, headers, "text/javascript; charset=utf-8")


@router.post("/gate/recording")
async def record(call: CallDep) -> Response:
    """What that script recorded. JSON alone, which no page of another site can send here with the gate's cookie."""
    _switched_on(call)
    if call.request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(Refusal("unsupported-media-type", "Only JSON is taken here."))
    body = await read_body(call.request, MAX_BODY)
    question = Question(key_hash(call.services, call.key), call.credential, "", plain(call.where.ip))
    await record_page(call.services, call.request.app.state.passage, question, body)
    return Response(status_code=204)


_RECORDER = FILES["rrweb-record.js"] + b"\n" + FILES["gate-recorder.js"]


def _switched_on(call: GateCall) -> None:
    if not call.web.recorder:
        raise Refused(NOT_FOUND)


def _page(template: str, values: dict[str, Any], *, status: int = 200, origins: tuple[str, ...] = ()) -> Response:
    html = render(template, {"visitor": None, "csrf": "", "times": None, "mount": MOUNT} | values)
    return HTMLResponse(html, status, {"Content-Security-Policy": content_policy(origins)})
