"""Every page of the service on one application."""

from __future__ import annotations

import re
from inspect import isawaitable

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.web import (
    accounts,
    clients,
    docs,
    enrolment,
    environments,
    figures,
    gate,
    general,
    people,
    policy,
    problems,
    provider,
    requests,
    sessions,
    settings,
    sign_ins,
    signin,
    standing,
    static_files,
    stop,
    trail,
    vendor,
    verify,
    watching,
    webhooks,
)
from app.web.page_route import fault_page

ROOMS = (
    *(signin, gate, stop, enrolment, figures, requests, sessions, watching, trail, vendor, problems, docs, verify),
    *(accounts, sign_ins, settings, people, policy, provider, environments, standing, general, webhooks, clients),
)
_MACHINES = re.compile(r"/(v1|oauth2|gate|healthz|readyz|metrics|openapi\.json|\.well-known|trail/[^/]+)(/|$)")


def mount(app: FastAPI) -> None:
    """Add the pages; an address that is not there is answered by a page too, but where machines call."""
    for room in ROOMS:
        app.include_router(room.router)
    app.include_router(static_files.router)
    machines = app.exception_handlers.get(HTTPException)

    async def not_there(request: Request, error: HTTPException) -> Response:
        given = machines(request, error) if machines is not None and _MACHINES.match(request.url.path) else None
        if isawaitable(given):
            given = await given
        return given if isinstance(given, Response) else fault_page(request, error)

    app.exception_handler(HTTPException)(not_there)
