"""A log that was rolled back for good is succeeded: what is left is set aside, a new log begins and says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.actions import enrolment, grants
from app.actions.checkpoints import checkpoint, opened, verifier_keys
from app.actions.clients import add_client, revoke_client
from app.actions.doctor import examine
from app.actions.export import export
from app.actions.health import ready
from app.actions.operators import operator
from app.actions.publishing import publish
from app.actions.services import Services
from app.actions.succession import Succeeded, foresee, origin_in_force, succeed
from app.actions.trailview import Sought, listing
from app.actions.worldspecs import ClientSpec
from app.domain.errors import Refused, Unavailable
from app.domain.kinds import VENDOR
from app.storage import entries, succession, tables
from app.storage.database import Database
from app.worker import DUTIES
from tests.actions.test_rolled_back import backup, restore, size
from tests.actions.worlds import AUDITOR, CODE, HEAD, WHERE, World

OLD, NEW = f"countersign.example/{CODE}", f"countersign.example/{CODE}/2"


@asynccontextmanager
async def owned(world: World) -> AsyncIterator[Services]:
    """The services with the database as its owner, as the command has them."""
    if world.owner_url is None:
        yield world.services
        return
    url = world.owner_url.rpartition("/")[0] + "/" + str(world.services.database.engine.url.database)
    database = Database(url, clock=world.now)
    try:
        yield replace(world.services, database=database)
    finally:
        await database.close()


async def run(world: World, code: str) -> Succeeded:
    async with owned(world) as services:
        done = await succeed(services, code, operator(services, "tests"))
    if done.enrolment_code is not None:
        world.codes[code] = done.enrolment_code
    return done


async def enrol(world: World) -> None:
    world.people.clear()
    world.provider.signed = getattr(world.provider, "signed", None)
    await world.enrol()


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
    world.receipt = await checkpoint(world.services, CODE)
    await add_client(world.services, operator(world.services, "tests"), ClientSpec("lost", "s" * 40, (), ("*",), ()))
    await checkpoint(world.services, VENDOR)
    await restore(world, copy)
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
    await enrol(world)
    view = await world.file()
    await world.approve(HEAD, view.row.id)
    assert view.row.number.endswith("0002")  # numbers that people know are not given twice
    await grants.mint(world.services, world.caller, view.row.id)
    report = await world.verify(await world.bundle())
    assert (report.findings, report.exit_code) == ((), 0)
    assert any(OLD in note for note in report.notes)
    assert await examine(world.services) == []
    page = await listing(world.services, await world.visitor(AUDITOR), Sought())
    assert page.state.continues == (OLD, done.loss.signed.size)
    filtered = await world.verify(await world.bundle(view.row.id))
    assert (filtered.findings, filtered.exit_code) == ((), 0)
