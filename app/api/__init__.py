"""The API: routes are thin, wire to action and back. Whatever is refused becomes a problem document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path
from starlette.types import ASGIApp

from app.actions.measuring import Gauges
from app.actions.passing import Passage
from app.actions.reports import Reports
from app.api import (
    accounts,
    admin,
    clients,
    events,
    findings,
    gate,
    health,
    institutions,
    metrics,
    oauth,
    recordings,
    requests,
    roster,
    rules,
    sessions,
    sign_ins,
    standing,
    tiles,
    trail,
    webhooks,
)
from app.api.describe import description
from app.api.hot import Front, answers_head
from app.api.limits import Limits
from app.api.route import ApiRoute, not_there

__all__ = ["front", "mount", "routers"]


ROOMS = (
    *(oauth, events, requests, sessions, recordings, admin, institutions, roster, rules),
    *(standing, accounts, findings, sign_ins, webhooks, clients, trail, tiles, health, metrics),
)
HOT = (oauth.hot, gate.hot, sessions.hot)
"""Routes of `HotRoute`s, which stand in front of everything else."""


def routers() -> APIRouter:
    """Every route of the API."""
    every = APIRouter(generate_unique_id_function=_named)
    for room in ROOMS:
        every.include_router(room.router)
    every.include_router(accounts.files)
    for router in HOT:
        every.include_router(router)
    return every


def _named(route: APIRoute) -> str:
    """The name of an operation: its room's, and its own."""
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.name}"


def front(inner: ASGIApp, app: FastAPI) -> ASGIApp:
    """The application, with what machines call at machine speed answered before `inner`, which is all the rest."""
    return Front(inner, app, [route for router in HOT for route in router.routes])


def _allowing(paths: Mapping[str, Mapping[str, Any]]) -> Callable[[str], set[str]]:
    """What each address of the API may be asked with."""
    known = [(compile_path(path)[0], {method.upper() for method in item}) for path, item in paths.items()]

    def allowed(path: str) -> set[str]:
        found = {method for pattern, methods in known if pattern.match(path) for method in methods}
        return found | ({"HEAD"} if "GET" in found and answers_head(path) else set())

    return allowed


@cache
def _described(version: str) -> Mapping[str, Any]:
    """The description, made once in a process: it takes longer than all the rest of a start, and nobody changes it."""
    return description(routers(), version)


def mount(app: FastAPI) -> None:
    """Add the API, and its description as `app.state.description`.

    An address that is not there is answered by a problem document.
    """
    document = _described(app.version)
    app.state.description = document

    own = APIRouter(route_class=ApiRoute, include_in_schema=False)

    @own.get("/openapi.json")
    async def openapi() -> Response:
        return JSONResponse(document)

    app.state.passage = Passage(app.state.services)
    app.state.reports = Reports(app.state.services)
    app.state.quick = {
        (b"GET", gate.PATH.encode()): gate.QuickCheck(app.state.passage, app.state.services),
        (b"POST", oauth.QuickIntrospection.route.encode()): oauth.QuickIntrospection(app.state.services),
    }
    app.state.gauges = Gauges(app.state.services)
    app.state.limits = Limits(app.state.services.calls_per_minute)
    app.state.allowed = _allowing(document["paths"])
    app.include_router(routers())
    app.include_router(own)
    app.exception_handler(HTTPException)(not_there)
