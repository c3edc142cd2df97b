"""Approval tokens whose rows were changed, put back or taken away are inactive; the trail itself refuses changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.actions import decisions, grants, introspection
from app.domain.errors import CatalogueError, Refused
from app.storage import tables
from tests.actions.attacks import TRAIL, behind, read_row, rewrite, trail
from tests.actions.worlds import HEAD, World

INACTIVE = {"active": False}


async def approved(world: World) -> str:
    request = (await world.file()).row.id
    await world.approve(HEAD, request)
    return request


# Rows of the hot path: every column that means something, changed by itself.
LATER = timedelta(hours=6)
CHANGED: Mapping[sa.Table, Mapping[str, Callable[[Any], Any]]] = {
    tables.tokens: {
        "client": lambda _: "cli_01k0000000e00800000000000a",
        "audience": lambda _: "https://other.example",
        "digest": lambda _: "sha256:" + "0" * 64,
        "jkt": lambda _: "j" * 43,
        "request": lambda _: "req_01k0000000e00800000000000a",
        "grant": lambda _: "grt_01k0000000e00800000000000a",
        "iat": lambda at: at - 9,
        "nbf": lambda at: at - 9,
        "exp": lambda at: at + 9999,
        "mac": lambda mac: bytes([mac[0] ^ 1]) + mac[1:],
        "jti": lambda _: "another",
    },
    tables.grants: {
        "environment": lambda _: "esploro-sandbox",
        "account": lambda _: "exl_api",
        "engineer_id": lambda _: "mallory",
        "not_before": lambda at: at - LATER,
        "not_after": lambda at: at + LATER,
        "roles": lambda _: ("General System Administrator",),
        "request": lambda _: "req_01k0000000e00800000000000a",
        "mac": lambda mac: bytes([mac[0] ^ 1]) + mac[1:],
    },
}


async def test_a_token_is_inactive_where_any_column_of_its_rows_was_changed(enrolled: World) -> None:
    world = enrolled
    request = await approved(world)
    token = (await grants.mint(world.services, world.caller, request)).access_token
    still = []
    for table, columns in CHANGED.items():
        row = await read_row(world, table, {"request": request})
        for name, change in columns.items():
            await rewrite(world, table, {"mac": row["mac"]}, {name: change(row[name])})
            if await introspection.introspect(world.services, world.caller, token) != INACTIVE:
                still.append(f"{table.name}.{name}")
            async with behind(world) as connection:
                await connection.execute(sa.delete(table))
                await connection.execute(sa.insert(table).values(row))
    assert still == []
    assert (await introspection.introspect(world.services, world.caller, token))["active"] is True


@pytest.mark.parametrize("how", ["revoked", "taken back"])
async def test_a_token_that_is_over_stays_over_when_its_rows_are_put_back(enrolled: World, how: str) -> None:
    world = enrolled
    request = await approved(world)
    token = (await grants.mint(world.services, world.caller, request)).access_token
    before = {table: await read_row(world, table, {"request": request}) for table in CHANGED}
    if how == "revoked":
        await decisions.revoke(world.services, await world.visitor(HEAD), request, "Enough.")
    else:
        await grants.take_back(world.services, world.client, token)
    assert await introspection.introspect(world.services, world.caller, token) == INACTIVE
    for table, row in before.items():
        await rewrite(world, table, {"request": request}, row)
    assert await introspection.introspect(world.services, world.caller, token) == INACTIVE


async def test_a_token_that_the_service_does_not_know_is_inactive(enrolled: World) -> None:
    world = enrolled
    token = (await grants.mint(world.services, world.caller, await approved(world))).access_token
    async with behind(world) as connection:
        await connection.execute(sa.delete(tables.tokens))
    assert await introspection.introspect(world.services, world.caller, token) == INACTIVE


async def test_the_service_itself_may_not_change_the_trail(enrolled: World) -> None:
    world = enrolled
    await approved(world)
    before = await trail(world)
    for table in TRAIL[:3] if world.owner_url is None else TRAIL:  # no tile is full yet, and SQLite refuses row by row
        statements = [f"UPDATE {table} SET log = 'X'", f"DELETE FROM {table}"]
        if world.owner_url is None:
            statements += [
                f"{insert} INTO {table} SELECT * FROM {table}" for insert in ("INSERT OR REPLACE", "REPLACE")
            ]
        else:
            again = f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ON CONSTRAINT pk_{table}"
            statements += [f"TRUNCATE {table}", f"{again} DO UPDATE SET log = 'X'"]
        for statement in statements:
            with pytest.raises(DBAPIError, match=r"append only|permission denied"):
                async with world.services.database.begin() as tx:
                    await tx.connection.execute(sa.text(statement))
    assert await trail(world) == before


async def test_a_grant_that_was_derived_before_is_derived_anew_from_whatever_was_changed(enrolled: World) -> None:
    world = enrolled
    request = await approved(world)
    for _ in range(2):
        await grants.mint(world.services, world.caller, request)
    (decided,) = [entry for entry in await trail(world) if entry.type == "decision.made"]
    place = {"log": decided.institution, "idx": decided.index}
    (digest,) = decided.data["evidence"]
    changes: tuple[tuple[sa.Table, dict[str, Any], str], ...] = (
        (tables.leaves, place, "leaf"),
        (tables.private_parts, place, "part"),
        (tables.evidence, {"log": decided.institution, "digest": digest}, "blob"),
    )
    for table, key, name in changes:
        before = (await read_row(world, table, key))[name]
        for changed in (before[:-3] + b"x" + before[-2:], before):
            await rewrite(world, table, key, {name: changed})
            if changed == before:
                await grants.mint(world.services, world.caller, request)
                continue
            with pytest.raises((Refused, CatalogueError, ValueError)):
                await grants.mint(world.services, world.caller, request)
