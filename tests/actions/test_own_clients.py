"""API clients that read a trail: which count as the institution, and what its admins see of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.actions import own_clients
from app.actions.clients import add_client, revoke_client
from app.actions.export import export
from app.actions.operators import operator
from app.actions.world import read_client
from app.domain.errors import Refused
from app.storage import clients
from app.tokens.clients import Caller
from tests.actions.worlds import AUDITOR, CODE, HEAD, World

READING = ["trail:read"]
CLIENTS = {
    "siem": (READING, [CODE], []),
    "vendor-wide": (READING, ["*"], []),
    "vendor-cases": (["requests", "trail:read"], [CODE], []),
    "vendor-gateway": (READING, [CODE], ["https://gateway.vendor.example/exu-alma"]),
    "vendor-other": (READING, [CODE, "02OTHER_INST"], []),
}


async def made(world: World, name: str) -> Caller:
    """The client, with an access token that is narrowed to reading."""
    scopes, institutions, audiences = CLIENTS[name]
    spec = read_client(name, f"cs_a_secret_of_{name}_that_is_long", scopes, institutions, audiences)
    await add_client(world.services, operator(world.services, "tests"), spec)
    async with world.services.database.read() as tx:
        row = await clients.of_client_id(tx, name)
    assert row is not None
    return Caller(name, row.id, frozenset(READING), frozenset(row.institutions), frozenset(row.audiences))


async def exported(world: World, caller: Caller, path: Path) -> Path:
    download = await export(world.services, caller, CODE, None)
    content = b"".join([piece async for piece in download.pieces])
    await asyncio.to_thread(path.write_bytes, content)
    return path


@pytest.mark.parametrize("name", CLIENTS)
async def test_the_institutions_own_client_alone_exports_private_parts(
    enrolled: World, tmp_path: Path, name: str
) -> None:
    await enrolled.file()
    report = await enrolled.verify(await exported(enrolled, await made(enrolled, name), tmp_path / "bundle.zip"))
    assert report.findings == ()
    assert report.exit_code == (0 if name == "siem" else 3), "without private parts a bundle is not anchored"


async def test_admins_see_whose_machines_read_their_trail_and_nothing_of_secrets(enrolled: World) -> None:
    for name in CLIENTS:
        await made(enrolled, name)
    head = await enrolled.visitor(HEAD)
    found = await own_clients.readers(enrolled.services, head)
    told = {each.name: (each.own, each.private, each.every) for each in found if each.name in CLIENTS}
    assert told == {
        "siem": (True, True, False),
        "vendor-wide": (False, False, True),
        "vendor-cases": (False, False, False),
        "vendor-gateway": (False, False, False),
        "vendor-other": (False, False, False),
    }
    assert found[0].name == "siem"
    await revoke_client(enrolled.services, operator(enrolled.services, "tests"), "siem")
    assert "siem" not in {each.name for each in await own_clients.readers(enrolled.services, head)}
    with pytest.raises(Refused) as no:
        await own_clients.readers(enrolled.services, await enrolled.visitor(AUDITOR))
    assert no.value.refusal.problem == "not-found"
