"""Replicas of a world's service: each with its own connections and its own line to the others, over one database."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import uvicorn

from app.actions.followers import Followers
from app.actions.services import Services
from app.storage.database import Database
from tests.actions.worlds import TLS, World
from tests.api.conftest import ACCESS, Api, application


def replica(world: World) -> Services:
    """The services as another process would build them on PostgreSQL; close the database in the end.

    On SQLite there is one process, and its services.
    """
    if world.owner_url is None:
        return world.services
    database = Database(world.url, clock=world.now)
    return replace(world.services, database=database, follow=Followers(database))


@asynccontextmanager
async def serving(services: Services) -> AsyncIterator[str]:
    """The API over a real socket, in this loop; its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(application(services), log_config=None, lifespan="off", access_log=False)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve([listening]))
        while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            services.database.bell.stop()
            server.should_exit = True
            await task


@asynccontextmanager
async def replicas(calls: Api, count: int) -> AsyncIterator[list[httpx2.AsyncClient]]:
    """A client, signed in as the console, for each of so many replicas."""
    if count == 0:
        yield []
        return
    services = replica(calls.world)
    headers = {"Authorization": calls.http.headers["Authorization"]}
    try:
        async with (
            serving(services) as base_url,
            replicas(calls, count - 1) as others,
            httpx2.AsyncClient(base_url=base_url, headers=headers, trust_env=False, verify=TLS) as http,
        ):
            yield [http, *others]
    finally:
        await services.database.close()


@dataclass(frozen=True)
class Event:
    """One event of a stream: its id, its type, and what it says; an id alone has no type."""

    id: str
    type: str
    data: dict[str, Any]


async def events(http: httpx2.AsyncClient, since: str | None = None, **headers: str) -> AsyncGenerator[Event]:
    """What a stream sends, until it is closed on either side."""
    asked = headers | ({} if since is None else {"Last-Event-ID": since})
    async with http.stream("GET", f"{ACCESS}/events", headers=asked, timeout=30) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif fields:
                yield Event(fields.get("id", ""), fields.get("event", ""), json.loads(fields.get("data", "{}")))
                fields = {}
