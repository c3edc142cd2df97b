"""What a peer may send before anything can be judged has an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.cli.listening import MAX_HEAD, BoundedHttp

HEAD = b"POST / HTTP/1.1\r\nHost: countersign.test\r\n"
LARGE = b"x" * (4 * MAX_HEAD)


async def _count(scope: Scope, receive: Receive, send: Send) -> None:
    size = len(await Request(scope, receive).body())
    await PlainTextResponse(f"{size} bytes")(scope, receive, send)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A port that is listened to."""
    config = uvicorn.Config(_count, http=BoundedHttp, lifespan="off", log_config=None, port=0)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    found: int = server.servers[0].sockets[0].getsockname()[1]
    yield found
    await server.shutdown()


async def _send(port: int, *pieces: bytes) -> bytes:
    """Everything that is answered until the peer closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("begun", [b"POST /", HEAD + b"X-Long: "], ids=["line", "header"])
async def test_a_head_without_end_is_cut_off(port: int, begun: bytes) -> None:
    answer = await _send(port, begun, *[b"a" * 8192] * 9)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_trailers_without_end_are_cut_off(port: int) -> None:
    begun = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Long: "
    assert b"bytes" not in await _send(port, begun, LARGE)


async def test_a_large_body_is_no_head(port: int) -> None:
    begun = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(LARGE)
    assert (await _send(port, begun, LARGE)).endswith(b"%d bytes" % len(LARGE))
