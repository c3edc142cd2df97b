"""A client that the world file takes out: access on what it filed ends in the same transaction, and none is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.actions import decisions, doctor, grants, introspection, requests, webhooks
from app.actions.institutions import apply
from app.actions.operators import operator
from app.actions.worldspecs import ClientSpec, InstitutionSpec
from app.actions.worldspecs import World as File
from app.domain.errors import Refused
from app.storage import clients, entries
from app.storage.leaves import Stored
from app.tokens.clients import SCOPES, Caller
from tests.actions.test_institutions import another, file
from tests.actions.worlds import CODE, GATEWAY, HEAD, LIBRARIAN, World

Others = Callable[[World], tuple[InstitutionSpec, ...]]
OTHER = ClientSpec("gateway", "the only secret of it", tuple(sorted(SCOPES)), ("*",), (GATEWAY,))


async def _apply(world: World, declared: File) -> None:
    assert (await apply(world.services, declared, operator(world.services, "tests"))).refused == ()


async def _gateway(world: World) -> Caller:
    """Another client, which the file declares beside the console."""
    original = file(world)
    await _apply(world, replace(original, clients=(*original.clients, OTHER)))
    async with world.services.database.read() as tx:
        row = await clients.of_client_id(tx, OTHER.id)
    assert row is not None
    return Caller(OTHER.id, row.id, SCOPES, frozenset({"*"}), frozenset({GATEWAY}))


async def _without_console(world: World) -> None:
    await _apply(world, replace(file(world), clients=(OTHER,)))


async def _events(world: World, type_: str, code: str = CODE) -> list[Stored]:
    async with world.services.database.read() as tx:
        return await entries.find(tx, code, entries.LeafFilter(type=type_), 1000)


async def _fine(world: World) -> None:
    for request in (None, *(each.entry.subject for each in await _events(world, "request.created"))):
        report = await world.verify(await world.bundle(request))
        assert (report.exit_code, report.error, report.findings, report.missing) == (0, None, (), ())
    assert await doctor.examine(world.services) == []


@pytest.mark.parametrize(
    "others",
    [lambda world: file(world).institutions, lambda _: (), lambda world: (another(world, "ZZZ_INST"),)],
    ids=["in-the-file", "outside-the-file", "beside-a-new-one"],
)
async def test_grants_end_with_the_client_that_filed_them(enrolled: World, others: Others) -> None:
    world, gateway = enrolled, await _gateway(enrolled)
    active, waiting = await world.file(), await world.file()
    later = await world.file(not_before=world.now() + timedelta(hours=2))
    for each in (active, later):
        await world.approve(LIBRARIAN, each.row.id)
    minted = await grants.mint(world.services, gateway, active.row.id)
    assert (await introspection.introspect(world.services, gateway, minted.access_token))["active"]
    before = len(await _events(world, "mail.queued"))
    await _apply(world, replace(file(world), institutions=others(world), clients=(OTHER,)))
    assert await introspection.introspect(world.services, gateway, minted.access_token) == {"active": False}
    with pytest.raises(Refused, match="grant-ended"):
        await grants.mint(world.services, gateway, active.row.id)
    revoked = await _events(world, "request.revoked")
    assert {each.entry.subject for each in revoked} == {active.row.id, later.row.id}
    assert {(each.entry.actor.kind, each.entry.data["because"]) for each in revoked} == {("system", "rules")}
    mails = (await _events(world, "mail.queued"))[before:]
    assert {each.entry.data["about"] for each in mails} == {active.row.id, later.row.id}
    assert (await requests.read(world.services, gateway, waiting.row.id)).status == "pending"
    world.skip(timedelta(minutes=5))
    await _fine(world)


async def test_what_other_clients_filed_goes_on(enrolled: World) -> None:
    world, gateway = enrolled, await _gateway(enrolled)
    request = await world.file()
    await world.approve(LIBRARIAN, request.row.id)
    minted = await grants.mint(world.services, world.caller, request.row.id)
    await _apply(world, file(world))
    assert (await introspection.introspect(world.services, world.caller, minted.access_token))["active"]
    assert await _events(world, "request.revoked") == []
    assert [each.entry.subject for each in await _events(world, "client.revoked", "VENDOR")] == [gateway.cli]
    world.skip(timedelta(minutes=5))
    await _fine(world)


async def test_nothing_is_given_any_more_on_what_a_revoked_client_filed(enrolled: World) -> None:
    world, gateway = enrolled, await _gateway(enrolled)
    request = (await world.file()).row.id
    draft = await world.draft(LIBRARIAN, request)
    begun = await decisions.confirm(world.services, await world.visitor(LIBRARIAN), request, draft, None)
    assert begun is not None
    await _without_console(world)
    with pytest.raises(Refused, match="client-revoked"):
        await world.travel(begun, LIBRARIAN)
    with pytest.raises(Refused, match="client-revoked"):
        await world.draft(HEAD, request)
    with pytest.raises(Refused, match="unauthorized"):
        await world.file()
    refused = [each.entry.data["problem"] for each in await _events(world, "decision.refused")]
    assert refused == ["client-revoked"] * 2
    await world.deny(HEAD, request)
    assert (await requests.read(world.services, gateway, request)).status == "denied"
    world.skip(timedelta(minutes=5))
    await _fine(world)


async def test_no_grant_slips_past_the_end_of_its_client(enrolled: World) -> None:
    world, gateway = enrolled, await _gateway(enrolled)
    waiting = [(await world.file()).row.id for _ in range(2)]
    phased = [world.file(environment="esploro-sandbox") for _ in range(4)]
    approving = (world.approve(who, each) for who, each in zip((HEAD, LIBRARIAN), waiting, strict=True))
    told = await asyncio.gather(*approving, *phased[:2], _without_console(world), *phased[2:], return_exceptions=True)
    assert {each.refusal.problem for each in told if isinstance(each, Refused)} <= {"client-revoked", "unauthorized"}
    assert all(isinstance(each, Refused) for each in told if isinstance(each, BaseException)), told
    found = await requests.find(world.services, gateway, requests.Wanted(institution=CODE), 50, None)
    assert {each.status.value for each in found.items} <= {"pending", "revoked"}
    world.skip(timedelta(minutes=5))
    await _fine(world)


async def test_the_webhooks_of_a_client_that_is_taken_out_are_removed(enrolled: World) -> None:
    world, gateway = enrolled, await _gateway(enrolled)
    for caller in (gateway, gateway, world.caller):
        wanted = webhooks.Wanted("https://cases.vendor.example/hooks", ("*",), (CODE,))
        await webhooks.create(world.services, caller, wanted)
    await _apply(world, file(world))
    left = await webhooks.overview(world.services)
    assert [each.row.client for each in left] == [world.client]
    removed = await _events(world, "webhook.removed")
    assert [each.entry.actor.kind for each in removed] == ["operator", "operator"]
