"""An identity provider takes questions and never answers: its people wait or are told so, and nobody else notices."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from app.actions import signin
from app.actions.callback import finish
from app.actions.filing import create
from app.actions.grants import mint
from app.actions.introspection import introspect
from app.domain.errors import Refused
from tests.actions.worlds import CODE, HEAD, WHERE, World, another_institution, provider_client, run_world
from tests.faults.conftest import Tell
from tests.fixtures.postgres import DatabaseUrls
from tests.identity.malicious_provider import HONEST, Evil

OTHER = "02OTH_INST"
CROWD = 30
"""Three times as many as there are connections."""


async def use_other(world: World) -> bool:
    """Everything that the other institution's access takes while this one's provider says nothing."""
    asked = world.ask(institution=OTHER, environment="alma-sandbox", roles=())
    request = (await create(world.services, world.caller, asked)).row.id
    minted = await mint(world.services, world.caller, request)
    caller = replace(world.caller, audiences=frozenset({"https://gateway.vendor.example/other-alma"}))
    return bool((await introspect(world.services, caller, minted.access_token))["active"])


async def refused(world: World, parameters: list[tuple[str, str]], cookie: str) -> str:
    """Come back from the provider; why that signed nobody in."""
    with pytest.raises(Refused) as told:
        await finish(world.services, CODE, parameters, cookie, None, WHERE)
    return str(dict(told.value.refusal.extra)["reason"])


@pytest.mark.postgres
@pytest.mark.parametrize("path", ["/token", "/jwks", "/.well-known/openid-configuration"])
async def test_a_provider_that_never_answers_keeps_only_its_own_people_waiting(
    migrated_url: DatabaseUrls, tmp_path: Path, path: str, tell: Tell
) -> None:
    def with_other(text: str) -> str:
        return text + another_institution(OTHER)

    async with run_world(migrated_url.app, migrated_url.owner, tmp_path, with_other) as world:
        await world.enrol()
        await world.sign_in(HEAD)
        begun = [await signin.begin(world.services, CODE, "/requests", None) for _ in range(CROWD)]
        back = [await world.visit(each, HEAD) for each in begun]
        world.provider.evil = Evil("provider-unavailable", slow=path)
        world.services = replace(world.services, provider=provider_client(timeout_s=3))
        before = world.provider.hits[path]
        crowd = [
            asyncio.create_task(refused(world, parameters, each.cookie))
            for parameters, each in zip(back, begun, strict=True)
        ]
        async with asyncio.timeout(30):
            while world.provider.hits[path] == before:  # noqa: ASYNC110 -- the first of them waits at the provider
                await asyncio.sleep(0.01)
        assert await use_other(world)
        waited = sum(not task.done() for task in crowd)
        outcomes = await asyncio.gather(*crowd)
        assert set(outcomes) == {"provider-unavailable"}
        world.provider.evil = HONEST
        world.services = replace(world.services, provider=provider_client())
        await world.sign_in(HEAD)  # by itself, as soon as the provider is back
        tell(f"identity provider never answers at {path}", hit=f"{waited} of {CROWD} waited", lost=0)
