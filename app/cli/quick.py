"""HTTP as machines ask at machine speed: whole requests, answered without a task each (`app/api/quick.py`).

A request of a quick way stands in the connection's place of the cycle until it is answered, so that everything uvicorn
does about cycles goes on as it was: requests behind it wait, a stop lets it end, a peer that leaves is noticed.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import Future
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

from starlette.types import Scope
from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from app.api.quick import FAILED, STATE, Quick, Ready, Table, as_sent
from app.api.request_ids import request_id, tell
from app.cli.listening import BoundedHttp

MAX_BODY = 256 * 1024
"""Whoever sends more goes the usual way."""
_NOTHING: Table = {}


class _Event:
    """Nobody waits for what happens to a quick request."""

    def set(self) -> None:
        """It happened."""


class _Asked:
    """A request of a quick way, in the place of a cycle."""

    message_event = _Event()
    response_started = False

    def __init__(self, way: Quick, scope: Scope, method: bytes, path: bytes) -> None:
        self.way, self.scope, self.method, self.path = way, scope, method, path
        self.body = self.id = b""
        self.begun = 0.0
        self.keep_alive = True
        self.response_complete = self.disconnected = False


class QuickHttp(BoundedHttp):
    """Offers whole requests to the quick ways of the application's state first."""

    _asks: _Asked | None = None
    """The request that is being read, where it is one of a quick way."""
    _rests_since: float | None = None
    _resting: asyncio.TimerHandle | None = None
    _dated: tuple[object, bytes] = ((), b"")

    def on_headers_complete(self) -> None:
        """A head ended."""
        way = self._way()
        if way is None:
            super().on_headers_complete()
        else:
            self._gathered = self._came = 0
            self._awaits, self._waits = self._await_body, False
            self._asks = _Asked(way, cast("Scope", self.scope), self.parser.get_method(), self.url)

    def _way(self) -> Quick | None:
        """The quick way of a request that asks for nothing else than an answer, while none before it is answered."""
        table: Table = self.app_state.get(STATE, _NOTHING)
        way = table.get((self.parser.get_method(), self.url))
        if way is None or self.expect_100_continue or self._is_answering():
            return None
        plain = self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive()
        return way if plain and not self.parser.should_upgrade() and not self.flow.write_paused else None

    def _is_answering(self) -> bool:
        return not getattr(self.cycle, "response_complete", True)  # at first there is none

    def on_body(self, body: bytes) -> None:
        """A piece of a body went on."""
        asked = self._asks
        if asked is None:
            super().on_body(body)
            return
        self._gathered = 0
        self._came += len(body)
        asked.body = asked.body + body if asked.body else body
        if len(asked.body) > MAX_BODY:
            self._asks = None
            self._go_on(asked, more=True)

    def on_message_complete(self) -> None:
        """A request ended, with its trailers."""
        asked = self._asks
        if asked is None:
            super().on_message_complete()
            return
        self._gathered = 0
        self._asks = self._awaits = None
        self._ask(asked)

    def _ask(self, asked: _Asked) -> None:
        headers = dict(self.headers)
        waiting = None
        if len(headers) == len(self.headers):
            asked.begun = time.perf_counter()
            with suppress(Exception):  # whatever it is, the usual way meets it too, and says so
                waiting = asked.way.ask(headers, asked.body)
        if waiting is None:
            self._go_on(asked)
            return
        asked.id = request_id(headers.get(b"x-request-id", b"").decode("latin-1")).encode()
        self.cycle = asked  # type: ignore[assignment]  # it has what uvicorn asks of one
        waiting.told.add_done_callback(partial(self._answered, asked, waiting.ready))

    def _answered(self, asked: _Asked, make: Callable[[Any], Ready | None], told: Future[Any]) -> None:
        """It is known what the answer is, or that it is the usual way's."""
        if asked.disconnected or self.transport.is_closing():
            return
        if told.cancelled():  # the process stops
            self.transport.close()
            return
        error = told.exception()
        if error is not None:
            asked.scope[FAILED] = error
        ready = make(told.result()) if error is None else None
        if ready is None:
            self._go_on(asked)
        else:
            self._send(asked, ready)

    def _send(self, asked: _Asked, ready: Ready) -> None:
        end = b"\r\n\r\n" if asked.keep_alive else b"\r\nconnection: close\r\n\r\n"
        pieces = (STATUS_LINE[ready.status], self._date(), ready.headers, b"x-request-id: ", asked.id, end, ready.body)
        self.transport.write(b"".join(pieces))
        asked.response_complete = True
        if not asked.keep_alive:
            self.transport.close()
        if self.pipeline or self.flow.read_paused:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self._rest()
        asked.way.count(ready.status, time.perf_counter() - asked.begun)
        if asked.way.route is not None:
            tell(asked.id.decode(), asked.method.decode(), asked.way.route, ready.status, asked.begun)

    def _rest(self) -> None:
        """Nothing is asked for: the peer may keep the connection for a while. One timer sees to many such times."""
        self._rests_since = self.loop.time()
        if self._resting is None:
            self._resting = self.loop.call_later(self.timeout_keep_alive, self._look_after)

    def _look_after(self) -> None:
        self._resting = None
        if self._rests_since is None:  # something came, and its answer begins this anew
            return
        left = self._rests_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._resting = self.loop.call_later(left, self._look_after)
        else:
            self.timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """Something came, or the usual way looks after the connection."""
        self._rests_since = None
        if self.timeout_keep_alive_task is not None:
            super()._unset_keepalive_if_required()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody rests any more."""
        if self._resting is not None:
            self._resting.cancel()
        super().connection_lost(exc)

    def _date(self) -> bytes:
        """The headers that uvicorn gives every answer; it makes them anew each second."""
        headers = self.server_state.default_headers
        if QuickHttp._dated[0] is not headers:
            QuickHttp._dated = (headers, as_sent(headers))
        return QuickHttp._dated[1]

    def _go_on(self, asked: _Asked, *, more: bool = False) -> None:
        """The usual way of a request, as uvicorn begins it; with `more`, the rest of its body comes by that way too."""
        path = asked.path.decode("ascii")
        asked.scope.update(method=asked.method.decode("ascii"), path=path, raw_path=asked.path, query_string=b"")
        cycle = RequestResponseCycle(
            scope=cast("HTTPScope", asked.scope),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=asked.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.body += asked.body
        cycle.more_body = more
        cycle.message_event.set()
        if not self._is_answering() or cast("object", self.cycle) is asked:  # else one behind it waits there
            self.cycle = cycle
        self._start_asgi_task(cycle, self.app)
