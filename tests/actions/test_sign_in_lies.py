"""Whole sign-ins at a provider that lies in one way at a time: nobody is signed in, and each lie is one event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from app.actions import signin
from app.actions.callback import finish
from app.actions.journey import Begun, Plan, depart
from app.domain.errors import Refused, Unavailable
from app.domain.institution import Institution
from app.storage import institutions
from tests.actions.attacks import Watch
from tests.actions.worlds import CODE, LIBRARIAN, WHERE, World, provider_client, run_world
from tests.fixtures.postgres import DatabaseUrls
from tests.identity.evils import DISCOVERY, EVILS
from tests.identity.malicious_provider import HONEST


def _required(text: str) -> str:
    return text.replace("exclusive = true", 'exclusive = true\nrequired_claims = { tid = "t-1" }')


async def _begin(world: World) -> Begun:
    """A sign-in that asks for all that can be asked for: the lies are told about that."""
    async with world.services.database.read() as tx:
        row = await institutions.read(tx, CODE)
    assert row is not None
    plan = Plan("sign-in", {"next": "/requests"}, max_age=60, acr_values=("mfa", "phr"))
    return await depart(world.services, row, Institution.from_data(row.state), plan, None)


async def _lie(world: World, name: str) -> str | None:
    """Sign somebody in while the provider tells a lie; what is wrong with how it ended, or None."""
    evil, honest = EVILS[name], world.services
    world.provider.evil = HONEST
    begun = await _begin(world)
    watch = await Watch.begin(world)
    world.provider.evil = evil
    world.provider.hits.clear()
    world.services = replace(honest, provider=provider_client(0.3 if evil.slow else 10))
    try:
        parameters = await world.visit(begun, LIBRARIAN)
        await finish(world.services, CODE, parameters, begun.cookie, None, WHERE)
    except Refused as refused:
        ended = dict(refused.refusal.extra).get("reason", refused.refusal.problem)
    else:
        return "somebody was signed in"
    finally:
        world.services, world.provider.evil = honest, HONEST
    astray = evil.problem == "callback-state"  # no institution's event: it belongs to no sign-in
    if ended != ("sign-in-astray" if astray else evil.problem):
        return f"it ended as {ended}"
    told = [(entry.type, entry.data["problem"]) for entry in await watch.told()]
    if told != ([] if astray else [("sign_in.refused", evil.problem)]):
        return f"the trail tells {told}"
    asked = {path for path in ("/userinfo", "/elsewhere") if world.provider.hits[path]}
    return f"{asked} was asked" if asked else None


async def _lies(url: str, owner_url: str | None, directory: Path, names: Iterable[str]) -> None:
    async with run_world(url, owner_url, directory, _required) as world:
        world.provider.extra_claims = {"tid": "t-1"}
        wrong = {name: what for name in names if (what := await _lie(world, name)) is not None}
        assert wrong == {}
        begun = await _begin(world)
        assert (await world.travel(begun, LIBRARIAN)).cookie is not None, "the honest one is signed in, asked the same"
        await world.enrol()
        report = await world.verify(await world.bundle())
        assert (report.exit_code, report.findings) == (0, ())


async def test_no_lie_of_a_provider_signs_anybody_in(tmp_path: Path) -> None:
    await _lies(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path, EVILS)


@pytest.mark.postgres
async def test_no_lie_signs_anybody_in_on_postgresql(tmp_path: Path, migrated_url: DatabaseUrls) -> None:
    await _lies(migrated_url.app, migrated_url.owner, tmp_path, list(EVILS)[::9])


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_nobody_is_sent_to_a_provider_that_lies_about_itself(world: World) -> None:
    honest, wrong = world.services, {}
    watch = await Watch.begin(world)
    for name, evil in DISCOVERY.items():
        world.provider.evil = evil
        services = replace(honest, provider=provider_client(0.3 if evil.slow else 10))
        with pytest.raises(Unavailable) as unavailable:
            await signin.begin(services, CODE, "/requests", None)
        if unavailable.value.problem != "provider-unavailable":
            wrong[name] = unavailable.value.problem
    assert wrong == {}
    assert await watch.told() == []
