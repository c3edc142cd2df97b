"""A world with gates: keys for its environments, a vendor's provider of its own, engineers who enter and ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2

from app.actions import entering, grants
from app.actions.credentials import read_credential
from app.actions.entering import Entered
from app.actions.gates import key_hash
from app.actions.journey import Begun, Where
from app.actions.passing import Passage, Passed, Question
from app.domain.errors import Refusal
from app.domain.events import Entry
from tests.actions.attacks import trail
from tests.actions.worlds import CODE, TLS, World, another_institution, run_world
from tests.identity.malicious_provider import MaliciousProvider

ENGINEER = "e1234"
ALMA, ESPLORO = "alma-production", "esploro-sandbox"
OTHER, OTHER_ALMA = "01NUL_INST", "alma-sandbox"
KEYS = {name: f"gate-key-of-{name}-for-tests-only" for name in (ALMA, ESPLORO, OTHER_ALMA)}
DESK = Where("192.0.2.44", "an engineer's browser")
_OTHER = another_institution(OTHER, f'gate_key = "{KEYS[OTHER_ALMA]}"')


@dataclass
class Gates:
    """The world seen from its gates. `begun`: journeys of engineers under way."""

    world: World
    vendor: MaliciousProvider
    passage: Passage
    asked: int = field(default=0)

    async def token(self, environment: str = ESPLORO, institution: str = CODE, **changes: object) -> tuple[str, str]:
        """A request that is approved at once, and a token under it: its id, and the token."""
        filed = await self.world.file(environment=environment, institution=institution, **changes)
        return filed.row.id, await self.mint(filed.row.id)

    async def mint(self, request: str) -> str:
        """Another token under a request."""
        return (await grants.mint(self.world.services, self.world.caller, request)).access_token

    async def begin(
        self, token: str, environment: str = ESPLORO, next_path: str = "/", browser: str | None = None
    ) -> Begun:
        """Enter a token, as far as the vendor's provider."""
        return await entering.enter(self.world.services, KEYS[environment], token, next_path, browser, DESK)

    async def sign_in(self, begun: Begun, sub: str = ENGINEER) -> list[tuple[str, str]]:
        """Sign in there as an engineer: what the browser brings back."""
        self.vendor.sub = sub
        async with httpx2.AsyncClient(verify=TLS, trust_env=False) as client:
            answer = await client.get(begun.url)
        return parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True)

    async def come_back(
        self, parameters: list[tuple[str, str]], browser: str | None, environment: str = ESPLORO
    ) -> Entered:
        """Back at the gate."""
        return await entering.come_back(self.world.services, KEYS[environment], parameters, browser, DESK)

    async def enter(self, token: str, environment: str = ESPLORO, sub: str = ENGINEER) -> str:
        """Enter a token, the whole way: the gate's cookie."""
        begun = await self.begin(token, environment)
        return (await self.come_back(await self.sign_in(begun, sub), begun.cookie, environment)).cookie

    async def ask(
        self, cookie: str | None = None, token: str | None = None, environment: str = ESPLORO, summary: str = "GET /"
    ) -> Passed | Refusal:
        """One request at a gate."""
        services = self.world.services
        bearer = None if token is None else f"Bearer {token}"
        shown = read_credential(services, cookie, bearer)
        return await self.passage.ask(Question(key_hash(services, KEYS[environment]), shown, summary, DESK.ip))

    async def told(self, *types: str) -> list[Entry]:
        """The institution's entries of these types."""
        return [entry for entry in await trail(self.world) if entry.type in types]


def with_gates(text: str, issuer: str) -> str:
    """The world file with a vendor's provider, keys for its gates, and another institution."""
    text = text.replace("https://login.vendor.example", issuer)
    for name, audience in ((ALMA, "exu-alma"), (ESPLORO, "exu-esploro")):
        line = f'gateway_audience = "https://gateway.vendor.example/{audience}"\n'
        assert text.count(line) == 1
        text = text.replace(line, f'{line}gate_key = "{KEYS[name]}"\n')
    return text + _OTHER


@asynccontextmanager
async def run_gates(url: str, owner_url: str | None, directory: Path) -> AsyncIterator[Gates]:
    """A world with gates, not enrolled yet: environments in implementation give access at once."""
    with MaliciousProvider(clients={"countersign": "vendor secret"}) as vendor:
        async with run_world(url, owner_url, directory, lambda text: with_gates(text, vendor.issuer)) as world:
            vendor.clock = lambda: world.now().timestamp()
            yield Gates(world, vendor, Passage(world.services))
