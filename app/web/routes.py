"""Every page of the service on one application."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.web import enrolment, people, problems, requests, signin, static_files, trail
from app.web.page_route import fault_page

_MACHINES = re.compile(r"/(v1|oauth2|gate|healthz|readyz|metrics|openapi\.json|\.well-known|trail/[^/]+)(/|$)")


def mount(app: FastAPI) -> None:
    """Add the pages; an address that is not there is answered by a page too, but where machines call."""
    for room in (signin, enrolment, requests, people, trail, problems, static_files):
        app.include_router(room.router)
    for kind in (HTTPException, Exception):
        app.add_exception_handler(kind, _answer(app.exception_handlers.get(kind)))


def _answer(machines: Callable[..., Any] | None) -> Callable[[Request, Exception], Awaitable[Response]]:
    """A page for people; what `machines` answers where those call."""

    async def answer(request: Request, error: Exception) -> Response:
        given = None if machines is None else machines(request, error)
        if isawaitable(given):
            given = await given
        if isinstance(given, Response) and _MACHINES.match(request.url.path):
            return given
        return fault_page(request, error)

    return answer
