"""The route of a machine: bodies read strictly, whatever is refused answered in its form, nothing kept by caches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.api.problems import of_http, of_unavailable, of_unexpected, of_validation, problem
from app.domain.errors import Refusal, Refused, Unavailable
from app.identity.strict_json import strict_json

MAX_BODY = 1 << 20
RATE = "countersign.rate"
"""Where a call's scope keeps the headers that tell its client what is left to it (`limits.py`)."""
_JSON = {"PATCH": ("application/json", "application/merge-patch+json")}
# As they are sent; the first with https alone.
_GUARDS = (
    (b"strict-transport-security", b"max-age=63072000"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Call(Request):
    """A request whose body is at most `limit` long, and strict JSON where it is read as such."""

    limit = MAX_BODY
    _value: object = None
    _read = False

    async def body(self) -> bytes:
        """The whole body. Raises `Refused` too-large."""
        if not hasattr(self, "_body"):
            pieces = [piece async for piece in self.stream()]
            self._body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return self._body

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body's pieces. Raises `Refused` too-large."""
        length = 0
        async for piece in super().stream():
            length += len(piece)
            if length > self.limit:
                raise Refused(Refusal("too-large", f"The body is longer than {self.limit} bytes."))
            yield piece

    async def json(self) -> Any:
        """The body's value (RFC 8259). Raises `Refused`: unsupported-media-type, malformed."""
        if not self._read:
            if media_type(self) not in _JSON.get(self.method, ("application/json",)):
                raise Refused(Refusal("unsupported-media-type", "Send the body as application/json."))
            try:
                self._value = strict_json(await self.body())
            except ValueError as error:
                raise Refused(Refusal("malformed", "The body is not one JSON value in UTF-8.")) from error
            self._read = True
        return self._value


def media_type(request: Request) -> str:
    """The media type of the body, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class ApiRoute(APIRoute):
    """Turns whatever is refused into problem documents."""

    call: type[Call] = Call

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, guarded."""
        handle = super().get_route_handler()

        async def read_and_handle(call: Call) -> Response:
            if self.body_field is not None:
                await call.json()  # FastAPI, which asks again, would make another error of what this raises
            return await handle(call)

        async def handler(request: Request) -> Response:
            return await self.guard(self.call(request.scope, request.receive), read_and_handle)

        return handler

    async def guard(self, call: Call, handle: Callable[[Call], Coroutine[Any, Any, Response]]) -> Response:
        """The answer of a handler, or that to what it refused."""
        try:
            response = await handle(call)
        except Refused as refused:
            response = self._refused(call, refused.refusal)
        except Unavailable as error:
            response = self._refused(call, of_unavailable(error))
        except RequestValidationError as error:
            response = self._refused(call, of_validation(error.errors()))
        except HTTPException as error:
            response = self._refused(call, of_http(error))
        except ClientDisconnect:
            response = Response(status_code=400)  # which nobody reads
        except Exception as error:  # noqa: BLE001 -- logged whole; the caller gets an answer of its own kind
            response = self._refused(call, of_unexpected(error))
        return guarded(call, response)

    def _refused(self, call: Call, refusal: Refusal) -> Response:
        call.app.state.services.meters.refused(refusal.problem)
        return self.refused(call, refusal)

    def refused(self, request: Request, refusal: Refusal) -> Response:
        """The answer to a refusal."""
        return problem(request, refusal)


def guarded(request: Request, response: Response) -> Response:
    """The answer with every guard it does not have yet."""
    there = {name for name, _ in response.raw_headers}
    response.raw_headers += request.scope.get(RATE, ())
    guards = guards_of(request.app.state.services.base_url)
    response.raw_headers += [guard for guard in guards if guard[0] not in there]
    return response


def guards_of(base_url: str) -> Sequence[tuple[bytes, bytes]]:
    """What every answer carries."""
    return _GUARDS if base_url.startswith("https:") else _GUARDS[1:]


async def not_there(request: Request, error: HTTPException) -> Response:
    """The handler of what no route answered; `Allow` names what every route of the address takes (RFC 9110)."""
    response = guarded(request, problem(request, of_http(error)))
    response.headers.update(error.headers or {})
    if error.status_code == 405 and (allowed := request.app.state.allowed(request.scope["path"])):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response
