"""A session's page as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Each `page` event holds the places of the page that change, as HTML that the service itself wrote, and whether the
session is over; nothing comes after that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from app.actions.live import Live
from app.actions.signin import Visitor
from app.actions.watching import SessionPage
from app.web.call import render
from app.web.sessionview import session_shown

RETRY_MS = 3_000
SLOW_S = 60.0
PLACES = ("head", "acts", "coverage", "log")


class LiveStream(StreamingResponse):
    """Ends when its reader does, and when its reader has taken nothing for a minute."""

    media_type = "text/event-stream"

    def __init__(self, live: Live, who: Visitor) -> None:
        self._pieces = _written(live, who)
        super().__init__(self._pieces, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def stream_response(self, send: Send) -> None:
        """Send what comes, piece by piece, each within `SLOW_S`."""

        async def in_time(message: Message) -> None:
            async with asyncio.timeout(SLOW_S):
                await send(message)

        async with aclosing(self._pieces):
            with suppress(TimeoutError):
                await super().stream_response(in_time)


async def _written(live: Live, who: Visitor) -> AsyncGenerator[bytes]:
    yield b"retry: %d\n\n" % RETRY_MS
    async with aclosing(live.run(who)) as pages:
        async for viewer, page in pages:
            yield b"event: page\ndata: %s\n\n" % orjson.dumps(_places(viewer, page))


def _places(viewer: Visitor, page: SessionPage) -> dict[str, Any]:
    shown = session_shown(page, viewer)
    values = {"s": shown, "visitor": viewer, "csrf": viewer.csrf, "times": shown.r.times}
    return {name: render(f"session_{name}.html", values) for name in PLACES} | {"over": not page.living}
