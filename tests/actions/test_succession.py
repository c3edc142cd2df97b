"""A log that was rolled back for good is succeeded: what is left is set aside, a new log begins and says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.actions import grants
from app.actions.checkpoints import checkpoint, opened
from app.actions.clients import add_client, revoke_client
from app.actions.doctor import examine
from app.actions.health import ready
from app.actions.operators import operator
from app.actions.publishing import publish
from app.actions.services import Services
from app.actions.succession import Succeeded, foresee, origin_in_force, succeed
from app.actions.trailview import Sought, listing
from app.actions.worldspecs import ClientSpec
from app.audit.verify import verify_bundle
from app.domain.errors import Refused, Unavailable
from app.domain.kinds import VENDOR
from app.storage import entries, succession, tables
from app.storage.database import Database
from app.trail.checkpoint import Checkpoint
from app.worker import DUTIES
from tests.actions.attacks import behind
from tests.actions.test_rolled_back import backup, restore, size
from tests.actions.worlds import AUDITOR, CODE, HEAD, World

OLD, NEW = f"countersign.example/{CODE}", f"countersign.example/{CODE}/2"


@asynccontextmanager
async def owned(world: World) -> AsyncIterator[Services]:
    """The services with the database as its owner, as the command has them."""
    if world.owner_url is None:
        yield world.services
        return
    database = Database(world.owner_url, clock=world.now)
    try:
        yield replace(world.services, database=database)
    finally:
        await database.close()


async def come_back(world: World, url: str) -> None:
    """Restore a backup; whoever goes behind the service from now on meets that one."""
    await restore(world, url)
    if world.owner_url is not None:
        world.owner_url = f"{world.owner_url.rpartition('/')[0]}/{url.rpartition('/')[2]}"
    world.url = url


async def run(world: World, code: str) -> Succeeded:
    async with owned(world) as services:
        done = await succeed(services, code, operator(services, "tests"))
    if done.enrolment_code is not None:
        world.codes[code] = done.enrolment_code
    return done


@pytest.fixture
async def lost(enrolled: World, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Backed up; then a request approved, and checkpoints signed of both logs; the backup restored."""
    world = enrolled
    await add_client(world.services, operator(world.services, "tests"), ClientSpec("gone", "s" * 40, (), ("*",), ()))
    await revoke_client(world.services, operator(world.services, "tests"), "gone")
    kept = (await world.file()).row.id
    await world.approve(HEAD, kept)
    world.codes["kept"] = kept
    copy = await backup(world, request)
    await world.approve(HEAD, (await world.file()).row.id)
    world.codes["receipt"] = (await checkpoint(world.services, CODE)).decode()
    await add_client(world.services, operator(world.services, "tests"), ClientSpec("lost", "s" * 40, (), ("*",), ()))
    await checkpoint(world.services, VENDOR)
    await come_back(world, copy)
    yield world
    await world.services.database.close()


async def test_the_successor_begins_anew_says_what_it_continues_and_its_bundle_verifies(lost: World) -> None:
    world = lost
    left, foreseen = await size(world), await foresee(world.services, CODE)
    assert (foreseen.origin, foreseen.size, foreseen.signed.origin) == (NEW, left, OLD)
    assert foreseen.signed.size > left
    with pytest.raises(Unavailable, match="succeed VENDOR first"):
        await run(world, CODE)
    await run(world, VENDOR)
    done = await run(world, CODE)
    assert await ready(world.services) == []
    assert origin_in_force(world.services, CODE) == NEW
    assert opened(await checkpoint(world.services, CODE)).origin == NEW
    with pytest.raises(Refused):
        await grants.mint(world.services, world.caller, world.codes["kept"])
    await world.enrol()
    view = await world.file()
    await world.approve(HEAD, view.row.id)
    assert view.row.number.endswith("0002")  # numbers that people know are not given twice
    await grants.mint(world.services, world.caller, view.row.id)
    report = await world.verify(await world.bundle())
    assert (report.findings, report.exit_code) == ((), 0)
    assert any(OLD in note for note in report.notes)
    receipt = world.codes["receipt"].encode()
    assert opened(receipt) == Checkpoint(OLD, done.loss.signed.size, done.loss.signed.root)
    assert verify_bundle(await world.bundle(), older_checkpoints=[receipt]).findings == ()
    assert await examine(world.services) == []
    page = await listing(world.services, await world.visitor(AUDITOR), Sought())
    assert page.state.continues == (OLD, done.loss.signed.size)
    filtered = await world.verify(await world.bundle(view.row.id))
    assert (filtered.findings, filtered.exit_code) == ((), 0)


async def test_only_the_vendors_log_was_lost_and_what_its_clients_did_before_still_verifies(
    enrolled: World, request: pytest.FixtureRequest
) -> None:
    world = enrolled
    await world.approve(HEAD, (await world.file()).row.id)
    copy = await backup(world, request)
    await checkpoint(world.services, VENDOR)
    services, gone = world.services, ClientSpec("lost", "s" * 40, (), ("*",), ())
    await add_client(services, operator(services, "tests"), gone)
    await checkpoint(services, VENDOR)
    people = dict(world.people)
    await come_back(world, copy)
    world.people = people
    await run(world, VENDOR)
    assert await ready(world.services) == []
    await world.file()
    report = await world.verify(await world.bundle())
    assert (report.findings, report.exit_code) == ((), 0)
    assert await examine(world.services) == []
    await add_client(world.services, operator(world.services, "tests"), gone)  # whom nobody knows any more
    await world.services.database.close()


async def test_a_log_that_goes_on_is_not_succeeded(enrolled: World) -> None:
    world = enrolled
    for code in (CODE, VENDOR):
        with pytest.raises(Refused, match="nothing to succeed"):
            await run(world, code)
        await checkpoint(world.services, code)
        with pytest.raises(Refused, match="nothing to succeed"):
            await foresee(world.services, code)
    with pytest.raises(Refused) as unknown:
        await run(world, "02NONE")
    assert unknown.value.refusal.problem == "not-found"


async def test_whichever_backup_comes_back_the_old_log_stays_closed_and_the_next_successor_counts_on(
    lost: World, request: pytest.FixtureRequest
) -> None:
    world = lost
    copy = await backup(world, request)
    await run(world, VENDOR)
    await run(world, CODE)
    await come_back(world, copy)
    with pytest.raises(Unavailable, match="Another log continues"):
        await world.file()
    with pytest.raises(Unavailable):
        await checkpoint(world.services, CODE)
    assert any("is continued by" in line for line in await ready(world.services))
    await run(world, VENDOR)
    done = await run(world, CODE)
    assert (done.loss.origin, done.loss.signed.origin) == (f"{OLD}/3", NEW)
    await world.enrol()
    await world.file()
    report = await world.verify(await world.bundle())
    assert (report.findings, report.exit_code) == ((), 0)
    assert await examine(world.services) == []


async def test_rows_that_are_not_ours_begin_no_successor(lost: World) -> None:
    world = lost
    async with behind(world) as connection:
        table = tables.institutions
        state = (await connection.execute(sa.select(table.c.state).where(table.c.code == VENDOR))).scalar_one()
        forged = {**state, "vendor_domains": []}
        await connection.execute(sa.update(table).where(table.c.code == VENDOR).values(state=forged))
    with pytest.raises(Refused) as refused:
        await run(world, VENDOR)
    assert refused.value.refusal.problem == "records-in-doubt"
    assert any("checkpoint of" in line for line in await ready(world.services))


async def test_what_is_set_aside_keeps_every_byte_and_the_doctor_looks_at_it(lost: World) -> None:
    world = lost
    await run(world, VENDOR)
    async with world.services.database.read() as tx:
        before = [(each.leaf, each.private) for each in await entries.read_leaves(tx, CODE, 0, 1000)]
    done = await run(world, CODE)
    async with world.services.database.read() as tx:
        assert [(each.leaf, each.private) for each in await entries.read_leaves(tx, done.aside, 0, 1000)] == before
        assert [log for log, _, _ in await succession.every_aside(tx)] == [done.aside, f"{VENDOR}/1"]
    with pytest.raises(DBAPIError, match=r"append only|permission denied"):
        async with world.services.database.begin() as tx:
            await tx.connection.execute(sa.delete(tables.leaves).where(tables.leaves.c.log == done.aside))
    async with behind(world) as connection:
        last = sa.and_(tables.leaves.c.log == done.aside, tables.leaves.c.idx == len(before) - 1)
        await connection.execute(sa.delete(tables.leaves).where(last))
    assert [each.log for each in await examine(world.services)] == [done.aside]


async def test_the_worker_goes_on_and_finds_nothing_of_the_old_log_to_do(lost: World) -> None:
    world = lost
    await run(world, VENDOR)
    await run(world, CODE)
    for hours in (1, 24, 24 * 40):
        world.skip(timedelta(hours=hours))
        for duty in DUTIES:
            await duty.work(world.services)
    assert await publish(world.services) == 0
    assert await examine(world.services) == []


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
async def test_the_service_itself_may_not_set_a_log_aside(lost: World) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        await succeed(lost.services, VENDOR, operator(lost.services, "tests"))
    assert (await foresee(lost.services, VENDOR)).origin == f"countersign.example/{VENDOR}/2"
