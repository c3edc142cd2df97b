"""The switch to support: one way, and what ran on the ground of the phase ends with it, in one transaction."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from app.actions import doctor, environments, grants, introspection, requests
from app.domain.errors import Refused
from app.storage import entries
from app.storage.leaves import Stored
from app.tokens.clients import Caller
from tests.actions.worlds import CODE, GATEWAY, HEAD, LIBRARIAN, Configure, World

ENVIRONMENT = "esploro-sandbox"


@pytest.fixture
def configure() -> Configure:
    """The console may administer; the gateway's audience of the sandbox is its own too."""
    return lambda text: text.replace('"introspect", "trail:read"]', '"introspect", "trail:read", "admin"]').replace(
        "https://gateway.vendor.example/exu-esploro", GATEWAY
    )


async def _events(world: World, type_: str) -> list[Stored]:
    async with world.services.database.read() as tx:
        return await entries.find(tx, CODE, entries.LeafFilter(type=type_), 1000)


async def _fine(world: World) -> None:
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.error, report.findings, report.missing) == (0, None, (), ())
    assert await doctor.examine(world.services) == []


async def _switch(world: World, who: Caller | None = None, code: str = CODE, name: str = ENVIRONMENT) -> str:
    acting = who or await world.visitor(HEAD)
    return (await environments.switch_to_support(world.services, acting, code, name)).phase


@pytest.mark.parametrize("by", ["admin", "client"])
async def test_the_switch_ends_what_ran_on_the_phase_and_nothing_else(enrolled: World, by: str) -> None:
    world = enrolled
    over = await world.file(environment=ENVIRONMENT, minutes=15)
    world.skip(timedelta(minutes=20))
    phased = [await world.file(environment=ENVIRONMENT, escalated=False) for _ in range(2)]
    later = await world.file(environment=ENVIRONMENT, not_before=world.now() + timedelta(hours=2))
    other = await world.file()
    await world.approve(LIBRARIAN, other.row.id)
    minted = await grants.mint(world.services, world.caller, phased[0].row.id)
    before = len(await _events(world, "mail.queued"))
    assert await _switch(world, world.caller if by == "client" else None) == "support"
    (switched,) = await _events(world, "environment.switched_to_support")
    revoked = await _events(world, "request.revoked")
    assert sorted(each.entry.subject for each in revoked) == sorted(each.row.id for each in [*phased, later])
    assert {(each.entry.at, each.entry.data["because"]) for each in revoked} == {(switched.entry.at, "rules")}
    assert switched.entry.actor.kind == ("client" if by == "client" else "person")
    mails = (await _events(world, "mail.queued"))[before:]
    assert {each.entry.data["about"] for each in mails} == {each.row.id for each in [*phased, later]}
    assert sum(each.entry.data["kind"] == "outcome-vendor" for each in mails) == 3
    assert await introspection.introspect(world.services, world.caller, minted.access_token) == {"active": False}
    assert (await requests.read(world.services, world.caller, over.row.id)).status == "elapsed"
    await grants.mint(world.services, world.caller, other.row.id)
    await _fine(world)
    with pytest.raises(Refused, match="case-not-escalated"):
        await world.file(environment=ENVIRONMENT, escalated=False)
    again = await world.file(environment=ENVIRONMENT)
    assert again.status == "pending"
    await world.approve(HEAD, again.row.id)
    await _fine(world)


async def test_it_is_one_way_and_of_many_at_once_one_switches(enrolled: World) -> None:
    world = enrolled
    await world.file(environment=ENVIRONMENT)
    told = await asyncio.gather(*(_switch(world, world.caller) for _ in range(6)), return_exceptions=True)
    assert [each.refusal.problem for each in told if isinstance(each, Refused)] == ["wrong-state"] * 5
    assert told.count("support") == 1
    assert len(await _events(world, "request.revoked")) == 1
    with pytest.raises(Refused, match="wrong-state"):
        await _switch(world, name="alma-production")
    await _fine(world)


async def test_what_is_filed_at_the_switch_waits_or_ends(enrolled: World) -> None:
    world = enrolled
    filing = [world.file(environment=ENVIRONMENT) for _ in range(6)]
    told = await asyncio.gather(*filing[:3], _switch(world), *filing[3:])
    assert "support" in told
    found = await requests.find(world.services, world.caller, requests.Wanted(institution=CODE), 50, None)
    assert {each.status.value for each in found.items} <= {"pending", "revoked"}
    await _fine(world)


async def test_what_is_not_the_callers_is_not_there_before_any_scope_is_judged(enrolled: World) -> None:
    world = enrolled
    foreign = replace(world.caller, institutions=frozenset({"01NUL_INST"}))
    plain = replace(world.caller, scopes=frozenset({"requests"}))
    for who, code, name in (
        (foreign, CODE, ENVIRONMENT),
        (replace(foreign, scopes=frozenset({"requests"})), CODE, ENVIRONMENT),
        (plain, CODE, "nothing"),
        (plain, "01NUL_INST", ENVIRONMENT),
        (world.caller, "VENDOR", ENVIRONMENT),
        (world.caller, "\0", ENVIRONMENT),
        (world.caller, CODE, "\0"),
    ):
        with pytest.raises(Refused, match="not-found"):
            await _switch(world, who, code, name)
    with pytest.raises(Refused, match="insufficient-scope"):
        await _switch(world, plain)
    librarian = await world.visitor(LIBRARIAN)
    with pytest.raises(Refused, match="not-found"):
        await environments.switch_to_support(world.services, librarian, CODE, ENVIRONMENT)
    with pytest.raises(Refused, match="not-found"):
        await environments.environments(world.services, librarian)
    assert await _events(world, "environment.switched_to_support") == []
