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
from typing import Annotated

from fastapi import Depends, Header, Request
from starlette.responses import Response

from app.actions.once import Answer, Key
from app.actions.once import once as answer_once
from app.actions.services import Services
from app.api.guard import ServicesDep
from app.tokens.clients import Caller

PROBLEMS = ("idempotency-in-progress", "idempotency-mismatch", "too-large", "validation")
"""What a route that takes part documents."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
        description="The same key and the same request are answered by the first answer, for 24 hours.",
    ),
]


@dataclass(frozen=True, slots=True)
class Once:
    """The key of a call, if it has one."""

    services: Services
    key: Key | None

    async def __call__(self, caller: Caller, act: Callable[[Services], Awaitable[Response]]) -> Response:
        """The answer of `act`, or the one given before. Raises what `act` raises, and `Refused` for the key itself."""

        async def acted(services: Services) -> Answer:
            response = await act(services)
            headers = {name: value for name, value in response.headers.items() if name != "content-length"}
            return Answer(response.status_code, headers, bytes(response.body))

        answer = await answer_once(self.services, caller.cli, self.key, acted)
        replayed = {"Idempotency-Replayed": "true"} if answer.replayed else {}
        return Response(answer.body, answer.status, dict(answer.headers) | replayed)


async def once(request: Request, services: ServicesDep, idempotency_key: IdempotencyKey = None) -> Once:
    """The key, with what it stands for: method, target and the exact body."""
    if idempotency_key is None:
        return Once(services, None)
    target = request.scope.get("raw_path") or request.url.path.encode()
    asked = b"\n".join((request.method.encode(), target, request.scope["query_string"], await request.body()))
    return Once(services, Key(idempotency_key, sha256(asked).digest()))


OnceDep = Annotated[Once, Depends(once)]
