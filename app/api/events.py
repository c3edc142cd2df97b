"""Changes of access requests as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

An event's `id` is its place in the one stream of changes, and `Last-Event-ID` goes on after it. Its `data` is what a
webhook sends: type and time of the change, and the request as it is when the event is sent; with the id of its entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Send

from app.actions.follow import Mark, Stream, begin
from app.actions.followers import Told
from app.actions.services import Services
from app.api import representation
from app.api.guard import ServicesDep, needs
from app.api.problems import documented
from app.api.route import ApiRoute
from app.domain.times import wire
from app.tokens.clients import Caller

router = APIRouter(prefix="/v1/access-requests", route_class=ApiRoute, tags=["Access requests"])

Follower = Annotated[Caller, Depends(needs("requests:read", "requests"))]
RETRY_MS = 1_000
SLOW_S = 60.0
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "as long as it lasts"}
}


class EventStream(StreamingResponse):
    """Ends when its reader does, and when its reader has taken nothing for a minute."""

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncGenerator[bytes]) -> None:
        super().__init__(pieces, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._pieces = pieces

    async def stream_response(self, send: Send) -> None:
        """Send what comes, piece by piece, each within `SLOW_S`."""

        async def in_time(message: Message) -> None:
            async with asyncio.timeout(SLOW_S):
                await send(message)

        async with aclosing(self._pieces):
            with suppress(TimeoutError):
                await super().stream_response(in_time)


@router.get(
    "/events",
    status_code=200,
    response_class=EventStream,
    summary="Follow every change of access requests",
    responses={
        **_EVENTS,
        **documented(
            *("unauthorized", "insufficient-scope", "validation", "events-forgotten", "too-many-requests"),
            "unavailable",
        ),
    },
)
async def events(
    caller: Follower,
    services: ServicesDep,
    last_event_id: Annotated[str | None, Header(pattern="^[0-9]{1,18}$")] = None,
) -> Response:
    """From now, or from after `Last-Event-ID` with nothing lost and nothing twice, on any replica.

    The stream begins with an `id` alone, so that it can be resumed before the first event, and ends with the access
    token: come back with a new one.
    """
    stream = await begin(services, caller, None if last_event_id is None else int(last_event_id))
    return EventStream(_written(services, stream))


async def _written(services: Services, stream: Stream) -> AsyncGenerator[bytes]:
    yield b"retry: %d\n" % RETRY_MS
    async with aclosing(stream.run()) as changes:
        async for each in changes:
            yield b": \nid: %d\n\n" % each.position if isinstance(each, Mark) else _event(services, each)


def _event(services: Services, told: Told) -> bytes:
    change = told.change
    data = {
        "id": change.event,
        "type": change.type,
        "timestamp": wire(change.at),
        "data": orjson.Fragment(told.shown.body(partial(representation.body, services))),
    }
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (change.position, change.type.encode(), orjson.dumps(data))
