"""Approval tokens minted many at once, without a lock: the same as one by one, and nothing where the head has moved."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.actions import decisions, grants, introspection
from app.actions.minting import Wanted
from app.domain.errors import Refused
from app.storage import leaves, tables
from app.storage import minting as rows
from app.storage.database import Transaction
from tests.actions.attacks import behind, trail
from tests.actions.worlds import CODE, HEAD, World

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("world", ["postgresql"], indirect=True)]
"""SQLite has one writer at a time anyway."""


async def approved(world: World) -> str:
    request = (await world.file()).row.id
    await world.approve(HEAD, request)
    return request


def plainly(world: World, request: str) -> Any:
    return world.services.minting.plainly(Wanted(world.caller, request, None))


async def entries(world: World) -> list[tuple[int, str]]:
    return [(each.index, each.type) for each in await trail(world)]


async def test_a_token_minted_plainly_counts_and_is_told_like_any_other(enrolled: World) -> None:
    world = enrolled
    request = await approved(world)
    before = await entries(world)
    minted = await plainly(world, request)
    assert minted is not None
    assert (await introspection.introspect(world.services, world.caller, minted.access_token))["active"] is True
    assert await entries(world) == [*before, (len(before), "token.issued")]
    assert (await world.verify(await world.bundle())).exit_code == 0


async def test_those_of_one_log_who_ask_together_get_an_entry_each(enrolled: World) -> None:
    world = enrolled
    request = await approved(world)
    before = len(await entries(world))
    minted = await asyncio.gather(*(plainly(world, request) for _ in range(5)))
    assert len({each.access_token for each in minted}) == 5
    assert [index for index, _ in await entries(world)] == list(range(before + 5))
    assert (await world.verify(await world.bundle())).exit_code == 0


async def test_where_somebody_holds_the_log_nothing_is_written_and_the_other_way_waits(enrolled: World) -> None:
    world = enrolled
    request = await approved(world)
    before = await entries(world)
    async with world.services.database.begin() as tx:
        await leaves.lock(tx, CODE)
        assert await plainly(world, request) is None
        waiting = asyncio.ensure_future(grants.mint(world.services, world.caller, request))
        await asyncio.sleep(0)
        assert await entries(world) == before
    assert (await waiting).access_token


async def test_a_revocation_between_reading_and_writing_wins(enrolled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = enrolled
    request = await approved(world)
    record = rows.record

    async def late(tx: Transaction, batches: Any) -> set[str]:
        await decisions.revoke(world.services, await world.visitor(HEAD), request, "no longer needed")
        return await record(tx, batches)

    monkeypatch.setattr(rows, "record", late)
    with pytest.raises(Refused, match="grant-ended"):
        await grants.mint(world.services, world.caller, request)
    assert "token.issued" not in [type_ for _, type_ in await entries(world)]
    assert (await world.verify(await world.bundle())).exit_code == 0


async def test_what_was_judged_good_is_judged_anew_where_a_byte_of_it_changed(enrolled: World) -> None:
    world = enrolled
    request = await approved(world)
    assert await plainly(world, request) is not None
    async with behind(world) as connection:
        await connection.execute(
            sa.update(tables.private_parts).where(tables.private_parts.c.log == CODE).values(part=b"{}")
        )
    assert await plainly(world, request) is None
    with pytest.raises(Refused, match="grant-not-derivable"):
        await grants.mint(world.services, world.caller, request)


async def test_another_callers_request_is_not_minted_for(enrolled: World) -> None:
    world = enrolled
    request = await approved(world)
    stranger = replace(world.caller, institutions=frozenset({"ELSEWHERE"}))
    assert await world.services.minting.plainly(Wanted(stranger, request, None)) is None


async def test_an_append_that_fills_a_tile_goes_the_other_way(enrolled: World) -> None:
    world = enrolled
    request = await approved(world)
    while len(await entries(world)) < 255:
        await grants.mint(world.services, world.caller, request)
    assert await plainly(world, request) is None
    assert (await grants.mint(world.services, world.caller, request)).access_token
    assert await plainly(world, request) is not None
    assert (await world.verify(await world.bundle())).exit_code == 0
