"""API clients' rows: inserted, changed or put back behind the service's back, they sign nobody in."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from app.actions import access, doctor
from app.actions.callers import Shown, authenticate
from app.actions.clients import add_client, revoke_client, rotate_client
from app.actions.operators import operator
from app.actions.possession import Offered
from app.actions.world import read_client
from app.domain.errors import Refused
from app.storage import tables
from tests.actions.attacks import behind, read_row, rewrite
from tests.actions.worlds import World

NAME, SECRET = "gateway", "the first secret of the gateway"
NOTHING = Offered((), "POST", "/oauth2/token")
FORM = [("grant_type", "client_credentials")]
CLIENTS = tables.clients


def shown(secret: str) -> Shown:
    return Shown("Basic " + base64.b64encode(f"{NAME}:{secret}".encode()).decode(), NOTHING)


async def add(world: World) -> None:
    spec = read_client(NAME, SECRET, ["requests:read"], ["*"], [])
    await add_client(world.services, operator(world.services, "tests"), spec)


async def signs_in(world: World, secret: str = SECRET) -> bool:
    return (await access.token(world.services, FORM, shown(secret), "192.0.2.7")).status == 200


CHANGED: Mapping[str, Callable[[Any], Any]] = {
    "id": lambda _: "cli_01k0000000e00800000000000a",
    "name": lambda _: "Another",
    "secrets": lambda kept: (*kept, "0" * 64),
    "jwks": lambda _: {"keys": []},
    "jwks_uri": lambda _: "https://evil.example/jwks",
    "scopes": lambda _: ("admin",),
    "institutions": lambda _: ("01EXU_INST",),
    "audiences": lambda _: ("https://gateway.vendor.example/exu-alma",),
    "disabled": lambda _: True,
    "folded": lambda at: at + 1000,
    "mac": lambda _: None,
}


async def test_a_row_with_any_column_changed_signs_nobody_in(world: World) -> None:
    await add(world)
    assert await signs_in(world)
    row = await read_row(world, CLIENTS, {"client_id": NAME})
    assert {*CHANGED, "client_id"} == {column.name for column in CLIENTS.c}
    still = []
    for name, change in CHANGED.items():
        await rewrite(world, CLIENTS, {"client_id": NAME}, {name: change(row[name])})
        if await signs_in(world):
            still.append(name)
        await rewrite(world, CLIENTS, {"client_id": NAME}, dict(row))
    assert still == []
    assert await signs_in(world)


async def test_a_row_that_was_inserted_signs_nobody_in_and_its_token_calls_nothing(world: World) -> None:
    await add(world)
    answer = await access.token(world.services, FORM, shown(SECRET), "192.0.2.7")
    token = Shown(f"Bearer {answer.body['access_token']}", NOTHING)
    assert (await authenticate(world.services, token, "requests:read")).client_id == NAME
    row = await read_row(world, CLIENTS, {"client_id": NAME})
    async with behind(world) as connection:
        await connection.execute(sa.delete(CLIENTS).where(CLIENTS.c.client_id == NAME))
        await connection.execute(sa.insert(CLIENTS).values(row | {"scopes": ("admin", "requests:read")}))
    assert not await signs_in(world)
    with pytest.raises(Refused):
        await authenticate(world.services, token, "requests:read")


async def test_an_older_row_that_is_put_back_signs_nobody_in(world: World) -> None:
    services, who = world.services, operator(world.services, "tests")
    await add(world)
    first = await read_row(world, CLIENTS, {"client_id": NAME})
    secret = await rotate_client(services, who, NAME, keep_old=False)
    second = await read_row(world, CLIENTS, {"client_id": NAME})
    assert [await signs_in(world, each) for each in (SECRET, secret)] == [False, True]
    await rewrite(world, CLIENTS, {"client_id": NAME}, dict(first))
    assert not await signs_in(world)
    with pytest.raises(Refused) as refused:
        await rotate_client(services, who, NAME, keep_old=True)
    assert refused.value.refusal.problem == "records-in-doubt"
    await rewrite(world, CLIENTS, {"client_id": NAME}, dict(second))
    assert await signs_in(world, secret)
    await revoke_client(services, who, NAME)
    await rewrite(world, CLIENTS, {"client_id": NAME}, dict(second))
    assert not await signs_in(world, secret)


async def test_two_secrets_live_while_one_is_rotated_out(world: World) -> None:
    services, who = world.services, operator(world.services, "tests")
    await add(world)
    second = await rotate_client(services, who, NAME, keep_old=True)
    assert [await signs_in(world, each) for each in (SECRET, second)] == [True, True]
    third = await rotate_client(services, who, NAME, keep_old=True)
    assert [await signs_in(world, each) for each in (SECRET, second, third)] == [False, True, True]


async def test_the_doctor_names_an_unsealed_client_and_seals_one_that_agrees_with_the_log(world: World) -> None:
    await add(world)
    await rewrite(world, CLIENTS, {"client_id": NAME}, {"mac": None, "folded": None})
    words = [each.words for each in await doctor.examine(world.services)]
    assert len(words) == 1
    assert words[0].startswith(doctor.CLIENT_SEAL_BROKEN)
    assert await doctor.seal(world.services) == ("VENDOR",)
    assert await doctor.examine(world.services) == []
    assert await signs_in(world)
    await rewrite(world, CLIENTS, {"client_id": NAME}, {"mac": None, "scopes": ("admin",)})
    assert await doctor.seal(world.services) == ()
    assert not await signs_in(world)
