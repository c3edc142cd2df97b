"""`Idempotency-Key`: every POST below `/v1` takes part by asking for `OnceDep`, and answers by it.

    async def withdraw(caller: Filer, once: OnceDep, …) -> Response:
        return await once(caller, lambda services: …)

What is handed in gets services whose database is inside the key's own transaction (`app.actions.once`), and makes the
whole answer, so that key, answer and change are committed together before anything is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError
from starlette.responses import Response

from app.actions.once import Answer, Key
from app.actions.once import kept as kept_answer
from app.actions.once import once as answer_once
from app.actions.services import Services
from app.api.guard import ServicesDep
from app.tokens.clients import Caller

PROBLEMS = ("idempotency-in-progress", "idempotency-mismatch", "too-large", "validation")
"""What a route that takes part documents."""

_FORM: dict[str, Any] = {"min_length": 1, "max_length": 255, "pattern": "^[!-~]+$"}
_WORDS = "The same key and the same request are answered by the first answer, for 24 hours."
_KEY: TypeAdapter[str] = TypeAdapter(Annotated[str, Field(**_FORM)])
HEADER = "idempotency-key"
KEY_PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": _WORDS,
}
IdempotencyKey = Annotated[str | None, Header(description=_WORDS, **_FORM)]


@dataclass(frozen=True, slots=True)
class Once:
    """The key of a call, if it has one."""

    services: Services
    key: Key | None

    async def __call__(
        self, caller: Caller, act: Callable[[Services], Awaitable[Response]], log: str | None = None
    ) -> Response:
        """The answer of `act`, which changes `log` (null: that is not known), or the one given before.

        Raises what `act` raises, and `Refused` for the key itself.
        """

        async def acted(services: Services) -> Answer:
            response = await act(services)
            headers = {name: value for name, value in response.headers.items() if name != "content-length"}
            return Answer(response.status_code, headers, bytes(response.body))

        return _response(await answer_once(self.services, caller.cli, self.key, acted, log))

    async def kept(self, caller: Caller) -> Response | None:
        """The answer given before, if there is one, without doing anything. Raises `Refused` for the key."""
        answer = await kept_answer(self.services, caller.cli, self.key)
        return None if answer is None else _response(answer)


def _response(answer: Answer) -> Response:
    replayed = {"Idempotency-Replayed": "true"} if answer.replayed else {}
    return Response(answer.body, answer.status, dict(answer.headers) | replayed)


async def once(request: Request, services: ServicesDep, idempotency_key: IdempotencyKey = None) -> Once:
    """The key, with what it stands for: method, target and the exact body."""
    if idempotency_key is None:
        return Once(services, None)
    return Once(services, Key(idempotency_key, sha256(asked(request) + await request.body()).digest()))


def asked(request: Request) -> bytes:
    """What a key stands for, up to the body."""
    target = request.scope.get("raw_path") or request.url.path.encode()
    return b"\n".join((request.method.encode(), target, request.scope["query_string"], b""))


def streamed(call: Request, services: Services, fingerprint: bytes) -> Once:
    """The same for a route that read its body in pieces: `fingerprint` is the SHA-256 of `asked` and these.

    Raises `RequestValidationError`.
    """
    key = key_of(call)
    return Once(services, None if key is None else Key(key, fingerprint))


async def once_of(call: Request, services: Services) -> Once:
    """The same for a route that reads its call itself. Raises `RequestValidationError` for a key of another form."""
    return await once(call, services, key_of(call))


def key_of(call: Request) -> str | None:
    """The key of a call. Raises `RequestValidationError` for one of another form."""
    given = call.headers.get(HEADER)
    try:
        return None if given is None else _KEY.validate_python(given)
    except ValidationError as error:
        raise RequestValidationError([each | {"loc": ("header", HEADER)} for each in error.errors()]) from None


OnceDep = Annotated[Once, Depends(once)]
