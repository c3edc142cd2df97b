"""What machines call at machine speed, answered in front of FastAPI's router, which costs more than the answers do.

A route of this kind has an endpoint that takes the call alone, and does for itself what FastAPI would do for others: it
reads what it needs, and asks who calls. `Front` finds it by method and path before anything else looks at the call;
everything else goes on to the router, where the route stands too, for the description and for what it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.once import KEY_PARAMETER
from app.api.quick import FAILED
from app.api.route import ApiRoute, Call


class HotRoute(ApiRoute):
    """A route whose endpoint is `async def name(call: Call, …) -> Response`, with the parameters of its path as text.

    Who may call, and what the body holds, its `openapi_extra` says.
    """

    async def answer(self, call: Call) -> Response:
        """The endpoint's answer, or that to what it refused."""
        return await self.guard(call, self._ask)

    async def _ask(self, call: Call) -> Response:
        if FAILED in call.scope:
            raise call.scope[FAILED]
        response: Response = await self.endpoint(call, **call.path_params)
        return response

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The same for a call that came by the router."""

        async def handler(request: Request) -> Response:
            return await self.answer(Call(request.scope, request.receive))

        return handler


B = TypeVar("B", bound=BaseModel)


async def read_body(call: Call, model: type[B]) -> B:
    """The body, as FastAPI would have read it. Raises `Refused`: unsupported-media-type, malformed, too-large; and
    `RequestValidationError`.
    """
    value = await call.json()
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise RequestValidationError([each | {"loc": ("body", *each["loc"])} for each in error.errors()]) from None


def described(scope: str, model: type[BaseModel]) -> dict[str, Any]:
    """What a route's description says of whom it answers and what it reads: a JSON body, and an `Idempotency-Key`."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        "security": [{"client": [scope]}],
        "parameters": [KEY_PARAMETER],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
    }


# Asking for these leaves an event, or goes on for long.
_LEAVES_TRACES = re.compile(r"/(events|export)$|/(evidence|recording)/")


def answers_head(path: str) -> bool:
    """Whether `HEAD` is answered at an address of the API that has a `GET`; pages see to theirs."""
    return path.startswith(("/v1/", "/.well-known/", "/openapi.json", "/trail/")) and not _LEAVES_TRACES.search(path)


class Front:
    """ASGI: hot routes before everything else."""

    def __init__(self, inner: ASGIApp, app: FastAPI, routes: Iterable[BaseRoute]) -> None:
        hot = [(method, route) for route in routes if isinstance(route, HotRoute) for method in route.methods or ()]
        self._inner, self._app = inner, app
        self._exact: Mapping[tuple[str, str], HotRoute] = {
            (method, route.path): route for method, route in hot if not route.param_convertors
        }
        self._matching = [(method, route.path_regex, route) for method, route in hot if route.param_convertors]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        route = self._find(scope) if scope["type"] == "http" else None
        if route is None:
            await self._pass_on(scope, receive, send)
            return
        scope["app"], scope["route"] = self._app, route
        response = await route.answer(Call(scope, receive))
        await response(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """To everything else; `HEAD` of the API as the `GET` that it stands for, whose body the server leaves out."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and answers_head(scope["path"]):
            asked = {**scope, "method": "GET"}
            try:
                await self._inner(asked, receive, send)
            finally:
                scope["route"] = asked.get("route")
        else:
            await self._inner(scope, receive, send)

    def _find(self, scope: Scope) -> HotRoute | None:
        method, path = scope["method"], scope["path"]
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact
        for wanted, pattern, route in self._matching:
            match: re.Match[str] | None = pattern.match(path) if wanted == method else None
            if match is not None:
                scope["path_params"] = match.groupdict()
                return route
        return None
