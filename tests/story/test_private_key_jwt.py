"""Countersign signs in at a certified OpenID provider with its own key: people and approvals, over a rotation.

The provider knows the address of the keys and nothing else; every assertion is judged by it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app import web
from app.actions import signin
from app.actions.keys import rotate_client_keys
from app.api import oauth
from app.bootstrap import asserting
from app.domain.errors import Refused
from app.storage import entries
from app.tokens import keys
from app.tokens.keys import KeyRing
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, World, provider_client, run_world
from tests.fixtures.identity_provider import run_identity_provider
from tests.story.real_provider import CALLBACK, Road, served

pytestmark = [pytest.mark.slow, pytest.mark.idp]
ACCOUNTS = [
    {"sub": f"u-{email}", "email": email, "name": "Somebody", "groups": []}
    for email in (LIBRARIAN, DEPUTY, AUDITOR, HEAD)
]


def _client(name: str, port: int) -> dict[str, object]:
    return {
        "client_id": name,
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "jwks_uri": f"http://127.0.0.1:{port}/.well-known/client-jwks.json",
        "redirect_uris": [CALLBACK],
    }


def _keyed(text: str, issuer: str) -> str:
    """The world file with our key in the place of both secrets."""
    for secret in ('"secret"', '"other secret"'):
        text = text.replace(f"client_secret = {secret}", 'client_secret = "private_key_jwt"')
    return text.replace("$ISSUER", issuer)


@pytest.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[tuple[World, asyncio.Event]]:
    """A world whose institution's provider knows no secret of ours; the event: that it fetched something of ours."""
    listener = socket.create_server(("127.0.0.1", 0))
    clients = [_client(name, listener.getsockname()[1]) for name in ("countersign", "countersign-approvals")]
    with run_identity_provider([CALLBACK], clients=clients, accounts=ACCOUNTS) as provider:
        url = f"sqlite:///{tmp_path}/countersign.db"
        async with (
            run_world(url, None, tmp_path, lambda text: _keyed(text, provider.issuer)) as world,
            served(world, listener, (web.mount, lambda app: app.include_router(oauth.router))) as called,
        ):
            world.road = Road(provider.issuer, lambda email: {"login": email, "password": "any"})
            yield world, called


async def test_sign_ins_and_countersignatures_rest_on_our_key_alone_over_a_rotation(
    keyed: tuple[World, asyncio.Event],
) -> None:
    world, fetched = keyed
    await world.enrol()
    assert fetched.is_set()
    first = await world.file()
    await world.approve(LIBRARIAN, first.row.id)
    before = world.services.ring.client_keys().current.kid
    done = await rotate_client_keys(world.services)
    assert (done.retired, world.services.ring.client_keys().current.kid) == (before, done.current)
    second = await world.file()
    await world.approve(DEPUTY, second.row.id)
    report = await world.verify(await world.bundle())
    assert (report.findings, report.anchored) == ((), True)
    assert [each.ground for each in report.grants] == ["approval", "approval"]


async def test_another_key_than_the_registered_one_is_refused_by_the_provider_and_one_event_tells(
    keyed: tuple[World, asyncio.Event], tmp_path: Path
) -> None:
    world, _ = keyed
    keys.create(tmp_path / "elsewhere")
    honest = world.services
    foreign = provider_client(assertion=asserting(KeyRing(tmp_path / "elsewhere")))
    world.services = replace(honest, provider=foreign)
    begun = await signin.begin(world.services, CODE, "/requests", None)
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.travel(begun, HEAD)
    async with honest.database.read() as tx:
        found = await entries.find(tx, CODE, entries.LeafFilter(), 100)
    assert [each.entry.type for each in found] == ["trail.opened", "sign_in.refused"]
    assert found[-1].entry.data["problem"] == "code-refused"
