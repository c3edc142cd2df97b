"""HTTP load as a machine makes it: connections that are kept, the same bytes again and again, every answer read."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import cast

import uvloop

_EMPTY = b"HTTP/1.1 204 "
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *([0-9]+)\r\n")


@dataclass(frozen=True, slots=True)
class Served:
    """What a round came to: answers a second, and the middle and the 99th percentile of how long one took (ms)."""

    rate: float
    p50: float
    p99: float


def run_load(port: int, requests: list[bytes], wanted: bytes, *, connections: int, seconds: float) -> Served:
    """Send the requests in turn over so many connections. Raises `RuntimeError` for an answer without `wanted`."""
    return uvloop.run(_load(port, requests, wanted, connections, seconds))


async def _load(port: int, requests: list[bytes], wanted: bytes, connections: int, seconds: float) -> Served:
    began = time.perf_counter()
    each = (
        _keep_on(port, requests[place:] + requests[:place], wanted, began + seconds) for place in range(connections)
    )
    took = sorted(value for values in await asyncio.gather(*each) for value in values)
    elapsed = time.perf_counter() - began
    return Served(len(took) / elapsed, 1000 * took[len(took) // 2], 1000 * took[len(took) * 99 // 100])


async def _keep_on(port: int, requests: list[bytes], wanted: bytes, until: float) -> list[float]:
    loop = asyncio.get_running_loop()
    transport, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
    took: list[float] = []
    try:
        while (began := time.perf_counter()) < until:
            answer = await connection.ask(requests[len(took) % len(requests)])
            if wanted not in answer:
                raise RuntimeError(f"not the answer that was wanted: {answer[:500]!r}")
            took.append(time.perf_counter() - began)
    finally:
        transport.close()
    return took


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # that of uvloop is none by its class

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a request; the whole answer, when it is there."""
        assert self._transport is not None
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n") if end else None
        whole = bool(end) and head.startswith(_EMPTY) if length is None else len(body) >= int(length[1])
        if whole and self._answer is not None:
            self._answer.set_result(self._received)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the connection was closed"))
