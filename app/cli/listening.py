"""How HTTP is listened to: uvicorn's protocol, with an end to what a peer may send, and to how slowly it may come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
HEAD_S = 15.0
"""How long a head may take, the first byte included."""
BODY_S = 15.0
MIN_RATE = 1024
"""Bytes a second that a body has to come with, over each `BODY_S`."""
_CLOSE = b"connection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _CLOSE
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n" + _CLOSE


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose request line, headers or trailers go on past `MAX_HEAD` bytes, or come too slowly; and
    one whose body comes too slowly, unless it is we who keep it waiting.

    The parser gathers heads in memory and sets no limit itself; how long a body may be is judged elsewhere. A request
    that comes whole is timed by nobody: what is expected is looked at once a piece was read.
    """

    _gathered = 0
    _came = 0
    _timer: asyncio.TimerHandle | None = None
    _awaits: Callable[[], None] | None = None
    """What begins to wait for the rest of the request that is being read; null between two."""
    _waits = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A peer that never says anything is no better than a slow one."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is expected any more."""
        self._expect(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """What the parser took without handing anything on is what it gathers."""
        self._gathered += len(data)
        super().data_received(data)
        if self._awaits is None:
            if self._timer is not None:
                self._expect(None)
        elif not self._waits:
            self._waits = True
            self._awaits()
        if self._gathered > MAX_HEAD and not self.transport.is_closing():
            self._refuse(_TOO_LONG)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._awaits, self._waits = self._await_head, False

    def on_headers_complete(self) -> None:
        """A head ended."""
        self._gathered = self._came = 0
        super().on_headers_complete()
        self._awaits, self._waits = self._await_body, False

    def on_body(self, body: bytes) -> None:
        """A piece of a body went on."""
        self._gathered = 0
        self._came += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request ended, with its trailers."""
        self._gathered = 0
        super().on_message_complete()
        self._awaits = None

    def _await_head(self) -> None:
        self._expect(HEAD_S, self._cut_off)

    def _await_body(self) -> None:
        self._expect(BODY_S, self._look)

    def _expect(self, seconds: float | None, otherwise: Callable[[], None] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None or otherwise is None else self.loop.call_later(seconds, otherwise)

    def _look(self) -> None:
        """Whether enough of a body came since the last look; while we take none of it, nothing can."""
        if self._came < MIN_RATE * BODY_S and not self.flow.read_paused:
            self._cut_off()
            return
        self._came = 0
        self._expect(BODY_S, self._look)

    def _cut_off(self) -> None:
        if not self.transport.is_closing():
            self._refuse(_TOO_SLOW)

    def _refuse(self, answer: bytes) -> None:
        if not getattr(self.cycle, "response_started", False) or self.cycle.response_complete:  # none is being sent
            self.transport.write(answer)
        self.transport.close()
