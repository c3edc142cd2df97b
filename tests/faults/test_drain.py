"""SIGTERM under load: what was begun is answered, those who wait are let go, nobody new comes in, nothing is torn."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx2
import pytest

from demo.parts import find_free_port
from tests.actions.worlds import run_world
from tests.api.conftest import ACCESS, asked, calling, requests
from tests.api.replicas import events
from tests.faults.nursery import ROOT
from tests.faults.test_answers_lost import _client, _settings
from tests.fixtures.postgres import DatabaseUrls

CALLERS = 12
SOON_S = 60.0


@pytest.mark.slow
@pytest.mark.postgres
async def test_a_stop_under_load_answers_what_was_begun_and_tears_nothing(
    migrated_url: DatabaseUrls, tmp_path: Path
) -> None:
    async with run_world(migrated_url.app, migrated_url.owner, tmp_path) as world, calling(world) as calls:
        port = find_free_port()
        command = [str(Path(sys.executable).with_name("countersign")), "serve", f"--port={port}", "--with-worker"]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=os.environ | _settings(world))
        answered, torn, refused = list[int](), list[Exception](), 0
        begun = asyncio.Event()

        async def call(http: httpx2.AsyncClient, place: int) -> None:
            nonlocal refused
            for number in range(1_000):
                key = {"Idempotency-Key": f"{place}-{number}"}
                try:
                    answer = await http.post(ACCESS, json=asked(), headers=key)
                except httpx2.ConnectError:
                    refused += 1
                    return
                except httpx2.TransportError as error:
                    torn.append(error)
                    return
                answered.append(answer.status_code)
                if len(answered) > 3 * CALLERS:
                    begun.set()

        try:
            async with _client(calls, f"http://127.0.0.1:{port}") as http:
                await _listens(port)
                stream = events(http)
                await anext(stream)
                callers = [asyncio.create_task(call(http, place)) for place in range(CALLERS)]
                async with asyncio.timeout(SOON_S):
                    await begun.wait()
                    process.terminate()
                    await asyncio.gather(*callers)
                    async for _ in stream:
                        pass
                    assert await process.wait() in {0, -signal.SIGTERM}
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert set(answered) == {201}
        assert refused + len(torn) == CALLERS
        assert await requests(calls) == len(answered), torn  # an answer that was not read was never begun


async def _listens(port: int) -> None:
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
