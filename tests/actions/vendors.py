"""The vendor's own provider beside an institution's, in one world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2

from app.actions import signin
from app.actions.callback import finish
from app.actions.signin import Visitor
from app.domain.kinds import VENDOR
from tests.actions.worlds import TLS, WHERE, Configure, World, run_world
from tests.identity.malicious_provider import MaliciousProvider

VENDOR_AUDITOR, OPERATOR = "auditor@vendor.example", "operator@vendor.example"
_PEOPLE = f"""roles = ["vendor_auditor"]
[[vendor.people]]
email = "{OPERATOR}"
roles = ["operator"]
"""


@asynccontextmanager
async def run_vendor_world(
    url: str, owner_url: str | None, directory: Path, change: Configure = str
) -> AsyncIterator[tuple[World, MaliciousProvider]]:
    """A world whose vendor's people can sign in, and their provider."""
    with MaliciousProvider(clients={"countersign": "vendor secret"}) as provider:

        def configure(text: str) -> str:
            text = text.replace("https://login.vendor.example", provider.issuer)
            return change(text.replace('roles = ["vendor_auditor"]\n', _PEOPLE, 1))

        provider.extra_claims = {"email_verified": True}
        async with run_world(url, owner_url, directory, configure) as world:
            provider.clock = lambda: world.now().timestamp()
            yield world, provider


async def vendor_signs_in(world: World, provider: MaliciousProvider, email: str, code: str = VENDOR) -> Visitor:
    """Sign somebody of the vendor in, at the door of a code."""
    begun = await signin.begin(world.services, code, "/requests", None)
    provider.email, provider.sub = email, f"sub-of-{email}"
    async with httpx2.AsyncClient(verify=TLS, trust_env=False) as client:
        back = (await client.get(begun.url)).headers["location"]
    parameters = parse_qsl(urlsplit(back).query, keep_blank_values=True)
    finished = await finish(world.services, code, parameters, begun.cookie, None, WHERE)
    assert finished.cookie is not None
    world.people[email] = finished.cookie
    return await world.visitor(email)
