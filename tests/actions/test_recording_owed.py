"""A recording that policy begins to ask for is owed by the sessions that are open, at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.actions import recordings, session_calls
from app.actions.endings import change
from app.actions.ledger import write
from app.actions.recordings import NewPart
from app.actions.session_clock import watch_over
from app.domain.events import Actor, Event
from app.storage import roster
from tests.actions.watching import approved, opened, report, row_of
from tests.actions.worlds import CODE, HEAD, Configure, World


@pytest.fixture
def configure() -> Configure:
    """A world that asks for no recordings."""
    one = "approvals_required = 1"
    return lambda text: text.replace(one, f"{one}\nrecording_required = false")


async def require(world: World) -> None:
    """The policy begins to ask for recordings."""
    async with world.services.database.read() as tx:
        head = await roster.of_email(tx, CODE, HEAD)
    assert head is not None
    async with write(world.services, CODE) as book:
        policy = replace(book.institution.policy, recording_required=True).to_data()
        data: dict[str, Any] = {"change": None, "policy": policy, "evidence": []}
        await change(book, Event("policy.set", CODE, Actor("person", head.person), data))


async def add(world: World, session: str, n: int) -> None:
    """A part."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    await recordings.add_part(world.services, session, world.client, NewPart(n, "text/plain", {}, pieces()))


async def test_sessions_that_are_open_owe_a_recording_as_soon_as_policy_asks_for_one(enrolled: World) -> None:
    world, request = enrolled, await approved(enrolled)
    recorded, not_recorded, ended = [await opened(world, request) for _ in range(3)]
    await session_calls.end(world.services, world.caller, ended, "Done.")
    for _ in range(10):
        world.skip(timedelta(seconds=30))
        assert (await report(world, recorded, "x")).goes_on
        assert (await report(world, not_recorded, "x")).goes_on
    before = await session_calls.read(world.services, world.caller, recorded)
    assert before.coverage.covered_s == before.coverage.open_s > 0
    await require(world)
    world.skip(timedelta(seconds=60))
    await add(world, recorded, 1)
    assert (await report(world, not_recorded, "x")).goes_on
    world.skip(timedelta(seconds=60))
    assert (await report(world, recorded, "x")).goes_on
    told = await report(world, not_recorded, "x")
    assert (told.goes_on, told.because) == (False, "not-recorded")
    world.skip(timedelta(seconds=60))
    await watch_over(world.services)
    assert (await row_of(world, recorded)).ended_because == "not-recorded"
    after = await session_calls.read(world.services, world.caller, recorded)
    assert after.coverage.covered_s == 120 < after.coverage.open_s - 300
    assert (await row_of(world, ended)).record_by is None
    verified = await world.verify(await world.bundle())
    assert (verified.findings, verified.exit_code) == ((), 0)
