"""The route of a page: what is refused becomes a page too, and every answer carries what guards it in the browser."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.actions.problems import REMEDIES
from app.domain.errors import Refusal, Refused, Unavailable
from app.web import language
from app.web.call import WebSettings, call_of, content_policy
from app.web.failures import failure, status_of
from app.web.guard import Elsewhere

GET = ["GET", "HEAD"]
_log = structlog.get_logger("countersign.web")
_HEADERS = {
    "Content-Security-Policy": content_policy(),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers would then send `Origin: null` with our own forms. Nobody else gets a referrer.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
}
_HSTS = "max-age=63072000"


class PageRoute(APIRoute):
    """Turns refusals into pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, guarded."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            language.speak(language.asked_for(request.headers.get("accept-language", "")))
            try:
                response = await handle(request)
            except Elsewhere as turn:
                response = call_of(request).go(turn.path)
            except Refused as refused:
                response = self._refused(request, refused.refusal)
            except Unavailable as error:
                _log.warning("unavailable", problem=error.problem, detail=error.detail)
                response = self._refused(request, Refusal(error.problem, error.detail))
            except HTTPException as error:
                response = fault_page(request, error)
            except Exception as error:  # noqa: BLE001 -- logged whole; the reader gets a page
                _log.error("unexpected", exc_info=error)
                response = self._refused(request, Refusal("internal", ""))
            return guarded(response, request.app.state.web)

        return handler

    def _refused(self, request: Request, refusal: Refusal) -> Response:
        request.app.state.services.meters.refused(refusal.problem)
        return self.refused(request, refusal)

    def refused(self, request: Request, refusal: Refusal) -> Response:
        """The page of a refusal."""
        return refusal_page(request, refusal)


def pages() -> APIRouter:
    """A router of pages."""
    return APIRouter(route_class=PageRoute, include_in_schema=False)


def guarded(response: Response, web: WebSettings) -> Response:
    """The answer with every guard it does not have yet."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if web.secure:
        response.headers.setdefault("Strict-Transport-Security", _HSTS)
    return response


def refusal_page(request: Request, refusal: Refusal) -> Response:
    """The page of a refusal, in the frame of whoever is signed in."""
    shown = failure(refusal)
    values = {"shown": shown, "reason": dict(refusal.extra).get("reason"), "reference": reference()}
    visitor = getattr(request.state, "visitor", None)
    response = call_of(request).page("error.html", values, status=status_of(refusal), visitor=visitor)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def fault_page(request: Request, error: HTTPException) -> Response:
    """The page for what the framework refuses: no such address, not with that method, too large."""
    slug = "too-large" if error.status_code == 413 else "not-found"
    response = guarded(refusal_page(request, Refusal(slug, REMEDIES[slug])), request.app.state.web)
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


def reference() -> str | None:
    """The id of this call in the logs and in `X-Request-ID`."""
    return structlog.contextvars.get_contextvars().get("request_id")
