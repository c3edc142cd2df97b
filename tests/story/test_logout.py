"""Signing out at a certified OpenID provider and here: what begins on one side ends on the other."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from app.actions import logout, signin
from app.actions.callback import finish
from app.actions.journey import Begun
from app.storage import entries
from tests.actions.worlds import CODE, LIBRARIAN, TLS, WHERE, World, run_world
from tests.fixtures.identity_provider import run_identity_provider
from tests.story.real_provider import CALLBACK, served, through
from tests.web.site import BASE

pytestmark = [pytest.mark.slow, pytest.mark.idp]
ACCOUNTS = [
    {"sub": f"u-{email}", "email": email, "name": "Somebody", "groups": []}
    for email in (LIBRARIAN, "deputy@example.edu")
]


def _client(name: str, secret: str, port: int) -> dict[str, object]:
    return {
        "client_id": name,
        "client_secret": secret,
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [f"{BASE}/sign-in"],
        "backchannel_logout_uri": f"http://127.0.0.1:{port}/backchannel-logout/{CODE}",
        "backchannel_logout_session_required": True,
    }


@pytest.fixture
async def worlds(tmp_path: Path) -> AsyncIterator[tuple[World, asyncio.Event]]:
    """A world whose institution signs in at the real provider, and which that provider can call."""
    listener = socket.create_server(("127.0.0.1", 0))
    clients = [
        _client(name, secret, listener.getsockname()[1])
        for name, secret in (("countersign", "secret"), ("countersign-approvals", "other secret"))
    ]
    with run_identity_provider([CALLBACK], clients=clients, accounts=ACCOUNTS) as provider:
        text = f"sqlite:///{tmp_path}/countersign.db"
        async with (
            run_world(text, None, tmp_path, lambda said: said.replace("$ISSUER", provider.issuer)) as made,
            served(made, listener) as called,
        ):
            yield made, called


async def _sign_in(world: World, browser: httpx2.AsyncClient) -> str:
    begun: Begun = await signin.begin(world.services, CODE, "/requests", None)
    finished = await finish(
        world.services,
        CODE,
        await through(browser, begun.url, login=LIBRARIAN, password="any"),
        begun.cookie,
        None,
        WHERE,
    )
    assert finished.cookie is not None
    return finished.cookie


async def _reasons(world: World) -> list[str]:
    async with world.services.database.read() as tx:
        found = await entries.find(tx, CODE, entries.LeafFilter(type="sign_out.done"), 100)
    return [each.entry.data["because"] for each in found]


async def test_signing_out_in_one_browser_ends_the_session_that_another_shares(
    worlds: tuple[World, asyncio.Event],
) -> None:
    world, called = worlds
    async with httpx2.AsyncClient(verify=TLS, trust_env=False) as browser:
        one, other = await _sign_in(world, browser), await _sign_in(world, browser)
        async with httpx2.AsyncClient(verify=TLS, trust_env=False) as phone:
            elsewhere = await _sign_in(world, phone)
        visitor = await signin.visitor(world.services, one)
        assert visitor is not None
        url = await logout.sign_out(world.services, visitor)
        assert url is not None
        back = await through(browser, url, logout="yes")
        assert [name for name, _ in back] == ["state"]
        async with asyncio.timeout(60):
            await called.wait()
        assert await signin.visitor(world.services, other) is None
        assert await signin.visitor(world.services, elsewhere) is not None, "another session of the provider's"
    assert await _reasons(world) == ["person", "provider"]
