"""One replica's host has a wrong clock: the database's counts, so that nothing is valid too long or too early."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from app.actions.clients import add_client
from app.actions.operators import operator
from app.actions.world import read_client
from demo.parts import find_free_port
from tests.actions.attacks import trail
from tests.actions.worlds import GATEWAY, run_world
from tests.api.conftest import ACCESS, asked, calling
from tests.counts import LONG
from tests.faults.nursery import ROOT
from tests.faults.test_answers_lost import _client, _settings
from tests.faults.test_drain import _listens
from tests.faults.test_replicas import GATE
from tests.faults.test_replicas import _active as is_active
from tests.faults.test_replicas import _token as sign_in
from tests.fixtures.postgres import DatabaseUrls

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
SKEWS = ("+2h", "-2h", "+30d") if LONG else ("+30d",)
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.skipif(LIBRARY is None, reason="no false clock: it needs the package faketime"),
]


@pytest.mark.parametrize("skew", SKEWS)
async def test_a_replica_whose_clock_is_wrong_goes_by_the_databases(
    migrated_url: DatabaseUrls, tmp_path: Path, skew: str
) -> None:
    async with run_world(migrated_url.app, migrated_url.owner, tmp_path) as world, calling(world) as calls:
        spec = read_client(*GATE, ["introspect"], ["*"], [GATEWAY.replace("alma", "esploro")])
        await add_client(world.services, operator(world.services, "tests"), spec)
        port = find_free_port()
        command = [str(Path(sys.executable).with_name("countersign")), "serve", f"--port={port}", "--without-worker"]
        false = {"LD_PRELOAD": str(LIBRARY), "FAKETIME": skew, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=os.environ | _settings(world) | false)
        try:
            async with _client(calls, f"http://127.0.0.1:{port}") as http:
                await _listens(port)
                bearer = await sign_in(http)
                filed = (await http.post(ACCESS, json=asked(), headers=bearer)).json()
                minted = await http.post(f"{ACCESS}/{filed['id']}/token", headers=bearer)
                assert minted.status_code == 201, minted.text
                apart = parsedate_to_datetime(minted.headers["date"]) - world.now()
                assert abs(apart) > timedelta(hours=1)  # its own clock is indeed wrong
                token = minted.json()["access_token"]
                (issued,) = (entry.data["iat"] for entry in await trail(world) if entry.type == "token.issued")
                assert abs(issued - world.now().timestamp()) < 600
                assert all(await asyncio.gather(is_active(http, token), is_active(calls.http, token)))
                ended = await calls.http.post(
                    f"{ACCESS}/{filed['id']}/complete", json={"summary": "Done as asked."}, headers=bearer
                )
                assert ended.status_code == 200, ended.text
                assert not await is_active(http, token)
        finally:
            process.kill()
            await process.wait()
