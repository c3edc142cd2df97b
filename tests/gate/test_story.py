"""The gate end to end on real parts: Chromium, nginx, the service, certified OpenID providers, a small environment."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.audit.segment import Told, segment_digest
from app.domain.gate import masked
from app.storage import activity
from app.storage.activity import EventRow, SegmentRow
from app.storage.database import Database
from demo.parties import LIBRARIAN
from demo.stage import Ports, Stage
from demo.walk import Walk
from tests.fixtures.identity_provider import require_provider
from tests.fixtures.nginx import require_nginx
from tests.fixtures.postgres import DatabaseUrls
from tests.gate.engineer import Engineer, reached
from tests.story.person import CODE, Person

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.idp, pytest.mark.postgres, pytest.mark.timeout(240)]
ENGINEER, ANOTHER = "e1234@vendor.example", "e5678@vendor.example"


@pytest.fixture
def walk(postgres_url: DatabaseUrls, tmp_path: Path) -> Iterator[Walk]:
    """A request is approved, its token minted, the gateway runs."""
    require_provider()
    require_nginx()
    stage = Stage(tmp_path / "stage", Ports.free(), (postgres_url.app, postgres_url.owner))
    with ExitStack() as stack:
        walk = Walk(stage, stack)
        for step in walk.until_minted():
            step()
        for part in stage.start_gateway(stack):
            part.wait()
        yield walk


async def test_an_engineer_enters_works_is_recorded_and_is_cut_off(
    walk: Walk, browser: Browser, postgres_url: DatabaseUrls
) -> None:
    stage = walk.stage
    engineer, other = [await Engineer.at(browser, stage, login) for login in (ENGINEER, ANOTHER)]

    assert (await engineer.open("/jobs?patron=4711&name=fulfilment")).status == 401
    assert "The gate is closed" in await engineer.text()
    assert reached(stage.environment_log) == []

    await other.open("/")
    await other.enter(walk.token)
    assert "This token is somebody else's" in await other.text()
    assert (await other.open("/jobs")).status == 401
    assert reached(stage.environment_log) == []

    await engineer.enter(walk.token)
    assert "/jobs?patron=4711&name=fulfilment" in engineer.page.url
    assert "You are exl_impl of 01EXU_INST" in await engineer.text()
    await engineer.press("The fulfilment job")
    assert (await engineer.press("Run the job")).status == 200
    assert (await engineer.open("/countersign/gate/enter")).status == 200
    assert "You are in" in await engineer.text()

    librarian = await Person.at(browser, stage, LIBRARIAN)
    await librarian.open(f"/sign-in/{CODE}")
    await librarian.sign_in()
    await librarian.open(f"/requests/{walk.filed['id']}")
    await librarian.press("End access now")
    assert "Access has ended" in await librarian.text()

    await engineer.open("/countersign/gate/enter")
    assert "Access has ended" in await engineer.text()
    assert (await engineer.open("/jobs")).status == 403
    assert "took the access back" in await engineer.text()

    await shows_every_request(walk, await Recorded.read(postgres_url.app))


class Recorded:
    """The only session there is, as the database keeps it."""

    def __init__(self, session: str, events: list[EventRow], segments: list[SegmentRow]) -> None:
        self.session, self.events, self.segments = session, events, segments

    @classmethod
    async def read(cls, url: str) -> Recorded:
        database = Database(url, pool_size=1)
        try:
            async with database.read() as tx:
                found = await tx.connection.exec_driver_sql("SELECT id FROM sessions")
                session = str(found.scalar_one())
                events = await activity.read(tx, CODE, session, 1, 1000, 1000)
                return cls(session, events, await activity.segments(tx, CODE, session))
        finally:
            await database.close()


async def shows_every_request(walk: Walk, recorded: Recorded) -> None:
    """What reached the environment is what was recorded, and the trail commits to all of it."""
    passed = reached(walk.stage.environment_log)
    assert [f"{each['method']} {masked(each['uri'])}" for each in passed] == [each.summary for each in recorded.events]
    assert {each["session"] for each in passed} == {recorded.session}
    assert not any("countersign" in (each["cookie"] or "") for each in passed)
    assert "GET /jobs?name=***&patron=***" in [each.summary for each in recorded.events]
    entries = await asyncio.to_thread(_entries, walk)
    sealed = [entry for entry in entries if entry["type"] == "session.segment_sealed"]
    assert sum(entry["data"]["events"] for entry in sealed) == len(passed)
    for entry, segment in zip(sealed, recorded.segments, strict=True):
        told = [
            Told(e.n, e.at, e.received_at, e.kind, e.summary, e.detail, e.late)
            for e in recorded.events[segment.first - 1 : segment.last]
        ]
        digest = segment_digest(recorded.session, segment.n, segment.salt, told)
        assert entry["data"]["digest"] == segment.digest == digest
    (opened,) = [entry for entry in entries if entry["type"] == "session.opened"]
    (ended,) = [entry for entry in entries if entry["type"] == "session.terminated"]
    problems = [entry["data"]["problem"] for entry in entries if entry["type"] == "gate.refused"]
    assert (opened["data"]["engineer_proved"], ended["data"]["because"]) == (True, "revoked")
    assert {"credential-missing", "engineer-differs", "session-over"} <= set(problems)


def _entries(walk: Walk) -> list[dict[str, Any]]:
    """The trail as the auditor takes it home, verified offline."""
    walk.export()
    path = walk.stage.folder / "bundle.zip"
    with zipfile.ZipFile(path) as bundle:
        return [json.loads(line) for line in bundle.read("data/entries.jsonl").splitlines()]
