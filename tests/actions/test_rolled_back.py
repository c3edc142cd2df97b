"""An old backup restored, a log forked, rows taken away, signed heads lost: nothing is signed, nothing given."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.actions import grants
from app.actions.checkpoints import checkpoint, opened
from app.actions.export import export
from app.actions.health import ready
from app.actions.signin import begin
from app.domain.errors import Unavailable
from app.storage import nodes, tables
from app.storage.database import Database
from app.storage.heads import FileHeads, SignedHead
from app.storage.object_heads import ObjectHeads
from tests.actions.attacks import Watch, behind
from tests.actions.worlds import AUDITOR, CODE, HEAD, World
from tests.fixtures.postgres import PostgresServer


async def backup(world: World, request: pytest.FixtureRequest) -> str:
    """Copy the whole database as it is; the copy's URL."""
    if world.owner_url is None:
        copy = world.directory / f"backup-{secrets.token_hex(6)}.db"
        with sqlite3.connect(world.services.database.engine.url.database or "") as there, sqlite3.connect(copy) as here:
            there.backup(here)
        here.close()
        there.close()
        return f"sqlite:///{copy}"
    server: PostgresServer = request.getfixturevalue("postgres")
    await world.services.database.close()
    name, copy_name = world.url.rpartition("/")[2], f"countersign_{secrets.token_hex(6)}"
    server.execute(
        f"CREATE DATABASE {copy_name} OWNER {server.owner} TEMPLATE {name}",
        f"GRANT CONNECT ON DATABASE {copy_name} TO {server.app}",
    )
    request.addfinalizer(lambda: server.execute(f"DROP DATABASE {copy_name} WITH (FORCE)"))
    return server.url(server.app, copy_name)


async def restore(world: World, url: str) -> None:
    await world.services.database.close()
    world.services = replace(world.services, database=Database(url, clock=world.now))


async def size(world: World) -> int:
    async with world.services.database.read() as tx:
        return (await nodes.snapshot(tx, CODE))[1].size


async def refuses(action: Callable[[], Awaitable[object]], problem: str = "trail-rolled-back") -> None:
    with pytest.raises(Unavailable) as unavailable:
        await action()
    assert unavailable.value.problem == problem


@pytest.fixture
async def restored(enrolled: World, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Approved, backed up; one more approved and a checkpoint signed; the backup restored. `cases` counts on."""
    world = enrolled
    kept = (await world.file()).row.id
    await world.approve(HEAD, kept)
    world.codes["kept"] = kept
    copy, people = await backup(world, request), dict(world.people)
    await world.approve(HEAD, (await world.file()).row.id)
    await checkpoint(world.services, CODE)
    await restore(world, copy)
    world.people = people
    yield world
    await world.services.database.close()


async def test_a_log_shorter_than_what_was_signed_signs_and_appends_nothing(restored: World) -> None:
    world = restored
    watch = await Watch.begin(world)
    who, auditor = await world.visitor(HEAD), await world.visitor(AUDITOR)
    assert who.person != auditor.person
    await refuses(lambda: checkpoint(world.services, CODE))
    await refuses(lambda: export(world.services, auditor, CODE, None))
    await refuses(world.file)
    await refuses(lambda: grants.mint(world.services, world.caller, world.codes["kept"]))
    await refuses(lambda: world.draft(HEAD, world.codes["kept"]))
    begun = await begin(world.services, CODE, "/requests", None)
    await refuses(lambda: world.travel(begun, HEAD))
    assert await watch.told() == []
    assert any("checkpoint of" in line for line in await ready(world.services))


async def test_a_log_that_grew_another_way_past_what_was_signed_signs_nothing(restored: World, tmp_path: Path) -> None:
    world, honest = restored, restored.services.heads
    signed = honest.read(world.services.origin(CODE))
    assert signed is not None
    world.services = replace(world.services, heads=FileHeads(tmp_path / "forgetful"))  # while it grows, it forgets
    while await size(world) <= signed.size + 3:
        await world.file()
    world.services = replace(world.services, heads=honest)
    await refuses(lambda: checkpoint(world.services, CODE))
    auditor = await world.visitor(AUDITOR)
    await refuses(lambda: export(world.services, auditor, CODE, None))
    assert honest.read(world.services.origin(CODE)) == signed


async def test_a_log_that_lacks_rows_signs_nothing(enrolled: World) -> None:
    world = enrolled
    await checkpoint(world.services, CODE)
    for index in range(await size(world)):
        async with behind(world) as connection:
            gone = sa.and_(tables.leaves.c.log == CODE, tables.leaves.c.idx == index)
            row = (await connection.execute(sa.select(tables.leaves).where(gone))).one()
            await connection.execute(sa.delete(tables.leaves).where(gone))
        await refuses(lambda: checkpoint(world.services, CODE))
        async with behind(world) as connection:
            await connection.execute(sa.insert(tables.leaves).values(dict(row._mapping)))
    await checkpoint(world.services, CODE)


class Overtaken(FileHeads):
    """A store before whose next read another process appends, and signs what is there then."""

    overtake: Callable[[], object] | None = None

    def read(self, origin: str) -> SignedHead | None:
        overtake, self.overtake = self.overtake, None
        if overtake is not None:
            overtake()
        return super().read(origin)


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
async def test_a_newer_head_that_another_process_signed_meanwhile_is_no_rollback(
    enrolled: World, tmp_path: Path
) -> None:
    world, loop = enrolled, asyncio.get_running_loop()
    world.services = replace(world.services, heads=FileHeads(tmp_path / "heads"))
    before = opened(await checkpoint(world.services, CODE))

    async def other() -> None:
        await world.file()
        assert opened(await checkpoint(world.services, CODE)).size > before.size

    heads = Overtaken(tmp_path / "heads")
    heads.overtake = lambda: asyncio.run_coroutine_threadsafe(other(), loop).result(60)
    assert opened(await checkpoint(replace(world.services, heads=heads), CODE)) == before


async def test_a_head_that_was_rewritten_signs_nothing(enrolled: World) -> None:
    world = enrolled
    await checkpoint(world.services, CODE)
    async with behind(world) as connection:
        head = tables.logs.c.log == CODE
        edge = (await connection.execute(sa.select(tables.logs.c.edge).where(head))).scalar_one()
        await connection.execute(sa.update(tables.logs).where(head).values(edge=(edge[0][::-1], *edge[1:])))
    await refuses(lambda: checkpoint(world.services, CODE))


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_while_the_store_of_signed_heads_is_in_doubt_nothing_happens(enrolled: World) -> None:
    world = enrolled
    await checkpoint(world.services, CODE)
    next((world.directory / "heads").glob("*01EXU*.json")).write_text("{}")
    watch = await Watch.begin(world)
    await refuses(lambda: checkpoint(world.services, CODE), "unavailable")
    await refuses(world.file, "unavailable")
    assert await watch.told() == []
    assert any("damaged" in line for line in await ready(world.services))


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_signed_heads_in_s3_hold_a_restored_log_as_well(
    enrolled: World, request: pytest.FixtureRequest, bucket: str
) -> None:
    world = enrolled
    world.services = replace(world.services, heads=ObjectHeads(f"{bucket}/heads"))
    await checkpoint(world.services, CODE)
    copy = await backup(world, request)
    await world.file()
    await checkpoint(world.services, CODE)
    await restore(world, copy)
    await refuses(lambda: checkpoint(world.services, CODE))
    await refuses(world.file)
    assert any("checkpoint of" in line for line in await ready(world.services))
    await world.services.database.close()
