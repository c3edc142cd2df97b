"""Three processes on one PostgreSQL: what one of them takes back, the others refuse at the next check."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from app.actions.clients import add_client
from app.actions.operators import operator
from app.actions.world import read_client
from demo.parts import find_free_port, run_part
from tests.actions.worlds import GATEWAY, World, run_world
from tests.api.conftest import ACCESS, CONSOLE, asked, basic
from tests.counts import times
from tests.faults.service import COUNTERSIGN
from tests.fixtures.postgres import DatabaseUrls

ROUNDS = times(100, 1000)
REPLICAS = 3
CALLERS = 4
GATE = ("gate", "cs_the_secret_of_the_gate_of_tests")
pytestmark = pytest.mark.postgres


@asynccontextmanager
async def replicas(world: World) -> AsyncIterator[Sequence[httpx2.AsyncClient]]:
    """Processes over the world's database and keys, each with a client of its own."""
    settings: Mapping[str, str] = {
        "COUNTERSIGN_DEVELOPMENT": "true",
        "COUNTERSIGN_DATABASE_URL": world.url,
        "COUNTERSIGN_BASE_URL": world.services.base_url,
        "COUNTERSIGN_LOG_NAME": world.services.log_name,
        "COUNTERSIGN_SECRET_KEY": "a secret key of forty bytes, for tests..",
        "COUNTERSIGN_KEYS_DIR": str(world.directory / "keys"),
        "COUNTERSIGN_CHECKPOINT_STORE": (world.directory / "heads").as_uri(),
        "COUNTERSIGN_OBJECT_STORE": (world.directory / "objects").as_uri(),
        "COUNTERSIGN_CALLS_PER_MINUTE": "1000000",
    }
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(REPLICAS):
            port = find_free_port()
            command = [str(COUNTERSIGN), "serve", "--port", str(port), "--without-worker"]
            stack.enter_context(run_part(command, "Application startup complete|running on", env=os.environ | settings))
            client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)
            clients.append(await stack.enter_async_context(client))
        yield clients


async def _token(http: httpx2.AsyncClient) -> dict[str, str]:
    answer = await http.post(
        "/oauth2/token", data={"grant_type": "client_credentials"}, headers={"Authorization": basic(*CONSOLE)}
    )
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def _active(http: httpx2.AsyncClient, token: str) -> bool:
    answer = await http.post("/oauth2/introspect", data={"token": token}, headers={"Authorization": basic(*GATE)})
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["active"])


async def test_what_one_replica_takes_back_the_others_refuse_at_the_next_check(
    migrated_url: DatabaseUrls, tmp_path: Path
) -> None:
    missed: list[int] = []
    done = 0
    rounds = iter(range(ROUNDS))
    async with run_world(migrated_url.app, migrated_url.owner, tmp_path) as world, replicas(world) as sites:
        spec = read_client(*GATE, ["introspect"], ["*"], [GATEWAY.replace("alma", "esploro")])
        await add_client(world.services, operator(world.services, "tests"), spec)

        async def keep_on(place: int) -> None:
            nonlocal done
            bearer = await _token(sites[place % REPLICAS])
            filed = await sites[0].post(ACCESS, json=asked(), headers=bearer)
            path = f"{ACCESS}/{filed.json()['id']}/token"
            for number in rounds:
                one, two, three = itertools.islice(itertools.cycle(sites), number % REPLICAS, number % REPLICAS + 3)
                token = (await one.post(path, headers=bearer)).json()["access_token"]
                assert await _active(two, token)
                taken = await three.post(
                    "/oauth2/revoke", data={"token": token}, headers={"Authorization": basic(*CONSOLE)}
                )
                assert taken.status_code == 200
                if any(await asyncio.gather(*(_active(site, token) for site in sites))):
                    missed.append(number)
                done += 1

        await asyncio.gather(*(keep_on(place) for place in range(CALLERS)))
    assert (done, missed) == (ROUNDS, [])
