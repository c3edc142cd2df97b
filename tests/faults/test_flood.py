"""One institution is flooded: the others have their connections, and the flooded one loses nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.actions.filing import create
from app.actions.once import Answer, Key, once
from app.actions.services import Services
from app.domain.errors import Unavailable
from app.storage import leaves
from app.storage.database import Database
from app.storage.turns import Turns
from tests.actions.worlds import CODE, World, another_institution, run_world
from tests.fixtures.postgres import DatabaseUrls

OTHER = "02OTH_INST"
FLOOD = 30
"""Three times as many as there are connections."""


async def file(world: World, code: str) -> str:
    asked = world.ask(institution=code, environment="alma-sandbox" if code == OTHER else "esploro-sandbox", roles=())
    return (await create(world.services, world.caller, asked)).row.id


async def file_once(world: World, number: int) -> str:
    """The same under a key, whose transaction is begun before anybody looks at the institution."""
    asked = world.ask(environment="esploro-sandbox", roles=())

    async def act(services: Services) -> Answer:
        return Answer(201, {}, (await create(services, world.caller, asked)).row.id.encode())

    key = Key(f"key {number}", b"the same")
    return (await once(world.services, world.caller.cli, key, act, CODE)).body.decode()


@pytest.mark.postgres
async def test_a_flood_of_one_institution_leaves_connections_to_all_others(
    migrated_url: DatabaseUrls, tmp_path: Path
) -> None:
    def with_other(text: str) -> str:
        return text + another_institution(OTHER)

    async with run_world(migrated_url.app, migrated_url.owner, tmp_path, with_other) as world:
        await world.enrol()
        beside = Database(migrated_url.app)
        async with beside.begin() as tx:
            await leaves.lock(tx, CODE)
            flood = [asyncio.create_task(file_once(world, n) if n % 2 else file(world, CODE)) for n in range(FLOOD)]
            await asyncio.sleep(0)
            assert await file(world, OTHER)
            assert not any(task.done() for task in flood)
        assert len(set(await asyncio.gather(*flood))) == FLOOD
        await beside.close()


async def test_a_turn_that_does_not_come_in_time_is_unavailable_and_leaves_nothing_behind() -> None:
    turns = Turns(1, 0.05)
    async with turns.of("one"), turns.of("two"), turns.of(None):
        with pytest.raises(Unavailable, match="too many"):
            async with turns.of("one"):
                pass
    async with turns.of("one"):
        pass
