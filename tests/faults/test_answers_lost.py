"""Killed between commit and answer: who asks again with the same key gets the answer that was lost, and nothing twice.

And stopped in good order: who waits, and who follows, is let go at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from demo.parts import find_free_port
from tests.actions.worlds import CODE, TLS, World, run_world
from tests.api.conftest import ACCESS, Api, asked, calling, requests
from tests.api.replicas import events
from tests.faults.nursery import ROOT

KEY = {"Idempotency-Key": "the-answer-was-lost"}
MANY = 50
SOON_S = 15.0


def _settings(world: World) -> dict[str, str]:
    """The settings of a process that is this world's service."""
    given = {
        "DEVELOPMENT": "true",
        "BASE_URL": world.services.base_url,
        "LOG_NAME": world.services.log_name,
        "DATABASE_URL": world.url,
        "SECRET_KEY": "a secret key of forty bytes, for tests..",
        "KEYS_DIR": str(world.directory / "keys"),
        "CHECKPOINT_STORE": (world.directory / "heads").as_uri(),
        "OBJECT_STORE": (world.directory / "objects").as_uri(),
        "SMTP_URL": "smtp://127.0.0.1:9",
        "ALLOW_PRIVATE_NETWORKS": "true",
    }
    return {"PATH": os.environ["PATH"]} | {f"COUNTERSIGN_{name}": value for name, value in given.items()}


@asynccontextmanager
async def _process(world: World, application: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A process that serves the application, and its address, once it listens."""
    port = find_free_port()
    command = [sys.executable, "-m", "uvicorn", application, "--factory", f"--port={port}", "--log-level=error"]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=_settings(world))
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert process.returncode is None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield process, f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _client(calls: Api, base_url: str) -> httpx2.AsyncClient:
    headers = {"Authorization": calls.http.headers["Authorization"]}
    limits = httpx2.Limits(max_connections=MANY)
    return httpx2.AsyncClient(
        base_url=base_url, headers=headers, trust_env=False, verify=TLS, timeout=60, limits=limits
    )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def calls(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Api]:
    """The API of a world on each database, in this process, beside the one that is killed."""
    url, owner_url = f"sqlite:///{tmp_path}/countersign.db", None
    if request.param == "postgresql":
        urls = request.getfixturevalue("migrated_url")
        url, owner_url = urls.app, urls.owner
    async with run_world(url, owner_url, tmp_path) as world, calling(world) as found:
        yield found


async def test_an_answer_lost_by_a_kill_is_given_to_whoever_asks_again(calls: Api) -> None:
    async with _process(calls.world, "tests.faults.dying:dying") as (process, base_url):
        async with _client(calls, base_url) as http:
            with pytest.raises(httpx2.TransportError):
                await http.post(ACCESS, json=asked(), headers=KEY)
        assert await process.wait() == -signal.SIGKILL
    assert await requests(calls) == 1
    async with _process(calls.world, "app.main:from_environment") as (_, base_url), _client(calls, base_url) as http:
        answers = await asyncio.gather(*(http.post(ACCESS, json=asked(), headers=KEY) for _ in range(MANY)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers.get("idempotency-replayed") for answer in answers} == {"true"}
    assert answers[0].json()["institution"] == CODE
    assert await requests(calls) == 1


async def test_a_stop_lets_go_whoever_waits_or_follows(calls: Api) -> None:
    filed = await calls.file()
    address = f"{ACCESS}/{filed['id']}"
    serving = _process(calls.world, "app.main:from_environment")
    async with serving as (process, base_url), _client(calls, base_url) as http:
        etag = (await http.get(address)).headers["etag"]
        headers = {"If-None-Match": etag, "Prefer": "wait=60"}
        waiting = [asyncio.create_task(http.get(address, headers=headers)) for _ in range(3)]
        stream = events(http)
        await anext(stream)
        await asyncio.sleep(0.5)  # nobody outside can see that somebody waits
        process.terminate()
        async with asyncio.timeout(SOON_S):
            assert [each.type async for each in stream] == []
            assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [304] * 3
            assert await process.wait() in {0, -signal.SIGTERM}
