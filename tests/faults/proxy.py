"""A wire between the service and PostgreSQL that can be made bad: late, cut, reset, silent."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

PIECE = 16 * 1024


@dataclass
class Proxy:
    """Set the switches at any time; they hold for what comes after, on wires that are up as on new ones.

    `delay_s`: each piece comes so much later. `cut_after`: each wire ends in good order after so many more bytes, in
    the middle of a message or of an answer. `silent`: nothing comes through, and nobody is told. `hits` counts.
    """

    port: int
    target: int
    delay_s: float = 0.0
    cut_after: int | None = None
    silent: bool = False
    hits: dict[str, int] = field(default_factory=dict)
    _wires: set[asyncio.StreamWriter] = field(default_factory=set)
    _speaks: asyncio.Event = field(default_factory=asyncio.Event)

    def heal(self) -> None:
        """All is well; what was held back in silence is lost with its wire."""
        self.delay_s, self.cut_after, self.silent = 0.0, None, False
        self._speaks.set()
        self._speaks = asyncio.Event()

    def reset(self) -> None:
        """Every wire that is up ends by a reset."""
        for writer in list(self._wires):
            found: socket.socket = writer.get_extra_info("socket")
            with suppress(OSError):
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            self._hit("reset")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One wire, both ways."""
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._wires |= {writer, forth}
        ways = {asyncio.create_task(self._carry(*way)) for way in ((reader, forth), (back, writer))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for each in (writer, forth):
                self._wires.discard(each)
                each.transport.abort() if self.silent else each.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                if self.silent:
                    self._hit("silent")
                    await self._speaks.wait()
                    return
                if self.delay_s:
                    self._hit("late")
                    await asyncio.sleep(self.delay_s)
                if self.cut_after is not None:
                    piece, self.cut_after = piece[: self.cut_after], max(0, self.cut_after - len(piece))
                writer.write(piece)
                await writer.drain()
                if self.cut_after == 0:
                    self._hit("cut")
                    return

    def _hit(self, kind: str) -> None:
        self.hits[kind] = self.hits.get(kind, 0) + 1


@asynccontextmanager
async def run_proxy(target: int) -> AsyncIterator[Proxy]:
    """A wire to a port of this machine."""
    proxy = Proxy(0, target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        proxy.heal()
        proxy.reset()
        server.close()
        await asyncio.sleep(0)
