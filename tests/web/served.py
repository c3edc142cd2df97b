"""The pages of a world served for real, at an address of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from socket import socket

import uvicorn

from tests.actions.worlds import World
from tests.web.site import app_of


class _Server(uvicorn.Server):
    """A server that tells when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@asynccontextmanager
async def served(world: World, port: int) -> AsyncIterator[str]:
    """Serve them; the address."""
    address = f"http://127.0.0.1:{port}"
    world.services = replace(world.services, base_url=address)
    config = uvicorn.Config(app_of(world, address), port=port, log_level="critical", lifespan="off", ws="none")
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        await server.up.wait()
        yield address
        server.should_exit = True
