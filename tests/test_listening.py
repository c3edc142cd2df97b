"""What a peer may send before anything can be judged has an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

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


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No peer is waited for long."""
    monkeypatch.setattr("app.cli.listening.HEAD_S", 0.2)
    monkeypatch.setattr("app.cli.listening.BODY_S", 0.2)


async def _until_cut_off(reader: asyncio.StreamReader) -> bytes:
    """Everything that comes; a drop that meets a closed connection is answered by a reset, which takes nothing back."""
    came = bytearray()
    with suppress(ConnectionResetError):
        while block := await reader.read(65536):
            came += block
    return bytes(came)


async def _drip(port: int, begun: bytes, drop: bytes) -> bytes:
    """Everything that is answered to a peer that sends a drop now and then, until it is cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(_until_cut_off(reader))
    writer.write(begun)
    try:
        async with asyncio.timeout(30):
            while not answer.done():
                writer.write(drop)
                await asyncio.wait([answer], timeout=0.05)
    finally:
        writer.close()
    return answer.result()


@pytest.mark.parametrize("begun", [b"", HEAD, HEAD + b"X-Slow: "], ids=["nothing", "a line", "a header"])
async def test_a_head_that_drips_is_cut_off(hasty: None, port: int, begun: bytes) -> None:
    assert (await _drip(port, begun, b"a" if begun else b"")).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("how", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
async def test_a_body_that_drips_is_cut_off(hasty: None, port: int, how: bytes) -> None:
    drop = b"a" if how.startswith(b"Content") else b"1\r\na\r\n"
    answer = await _drip(port, HEAD + how + b"\r\n\r\n", drop)
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_long_body_that_comes_fast_enough_is_taken(hasty: None, port: int) -> None:
    pieces = [b"x" * 1000] * 8
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"Content-Length: 8000\r\nConnection: close\r\n\r\n")
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.06)  # longer in all than one look takes
    answer = await reader.read()
    writer.close()
    assert b"8000 bytes" in answer


async def test_a_slow_peer_keeps_nobody_else_waiting(hasty: None, port: int) -> None:
    slow = [asyncio.create_task(_drip(port, HEAD, b"a")) for _ in range(50)]
    answer = await asyncio.wait_for(_send(port, HEAD + b"Content-Length: 1\r\nConnection: close\r\n\r\na"), 5)
    assert b"1 bytes" in answer
    assert all(each.startswith(b"HTTP/1.1 408 ") for each in await asyncio.gather(*slow))
