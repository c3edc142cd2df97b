"""Two providers mixed up: whatever state, code and `iss` meet at whatever callback, no code goes to the wrong one.

RFC 9700 §4.4 (mix-up), RFC 9207. An institution's provider and the vendor's serve one service; either may be the liar.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2

from app.actions import signin
from app.actions.callback import finish
from app.actions.journey import Begun
from app.domain.errors import Refused
from app.domain.kinds import VENDOR
from app.identity import browser as browsers
from tests.actions.vendors import OPERATOR, run_vendor_world
from tests.actions.worlds import CODE, LIBRARIAN, TLS, WHERE, World
from tests.identity.lies import without
from tests.identity.malicious_provider import HONEST, Evil, MaliciousProvider

CODES = (CODE, VENDOR)
NO_ISS = Evil(
    "",
    discovery=without("authorization_response_iss_parameter_supported"),
    callback=lambda back: back.pop("iss"),
)


@dataclass(frozen=True)
class Case:
    """Where a browser comes back to, with whose state, whose code, and whose `iss` (null: none)."""

    callback: str
    state: str
    code: str
    iss: str | None

    @property
    def honest(self) -> bool:
        return self.callback == self.state == self.code and self.iss in (self.callback, None)


class Mixed:
    """A browser with a journey to each of two providers."""

    def __init__(self, world: World, vendors: MaliciousProvider) -> None:
        self.world = world
        self.providers = {CODE: world.provider, VENDOR: vendors}

    async def begin(self) -> None:
        """Off to both, in one browser, and back with a code of each."""
        cookie, self.begun = browsers.new_secret(), dict[str, Begun]()
        self.codes = dict[str, str]()
        for code, email in ((CODE, LIBRARIAN), (VENDOR, OPERATOR)):
            self.begun[code] = await signin.begin(self.world.services, code, "/", cookie)
            self.providers[code].email, self.providers[code].sub = email, f"sub-of-{email}"
            async with httpx2.AsyncClient(verify=TLS, trust_env=False) as client:
                back = (await client.get(self.begun[code].url)).headers["location"]
            self.codes[code] = parse_qs(urlsplit(back).query)["code"][0]

    async def comes_back(self, case: Case) -> str:
        """What came of it: `in`, or the slug of why not."""
        await self.begin()
        for code in CODES:
            asked = parse_qs(urlsplit(self.begun[code].url).query)
            assert asked["redirect_uri"] == [f"http://countersign.test/callback/{code}"], "one of its own for each"
        state = parse_qs(urlsplit(self.begun[case.state].url).query)["state"][0]
        parameters = [("state", state), ("code", self.codes[case.code])]
        if case.iss is not None:
            parameters.append(("iss", self.providers[case.iss].issuer))
        cookie = self.begun[case.state].cookie
        try:
            await finish(self.world.services, case.callback, parameters, cookie, None, WHERE)
        except Refused as refused:
            return dict(refused.refusal.extra).get("reason", refused.refusal.problem)
        return "in"

    def leaked(self) -> list[str]:
        """Codes that another's token endpoint was shown."""
        one, other = CODES
        return [
            *(code for code in self.providers[one].shown if code == self.codes[other]),
            *(code for code in self.providers[other].shown if code == self.codes[one]),
        ]


def _cases() -> list[Case]:
    return [Case(*each) for each in itertools.product(CODES, CODES, CODES, (*CODES, None))]


async def test_no_mix_up_leaks_a_code_or_signs_anybody_in(tmp_path: Path) -> None:
    async with run_vendor_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path) as (world, vendors):
        await world.enrol()
        mixed, wrong, tried = Mixed(world, vendors), dict[Case, str](), 0
        for case in _cases():
            ended = await mixed.comes_back(case)
            expected = "in" if case.honest and case.iss is not None else None
            if case.callback != case.state:
                expected = "sign-in-astray"
            elif expected is None:
                expected = "callback-iss" if case.iss != case.callback else "code-refused"
            told = mixed.leaked()
            # Whoever puts another `iss` beside a code holds that code already.
            right = (not told or case.iss == case.callback != case.code) and ended == expected
            tried += not case.honest
            if not right:
                wrong[case] = f"{ended}, not {expected}; {len(told)} codes leaked"
        assert wrong == {}
        assert tried >= 12


async def test_where_a_provider_tells_no_iss_its_own_callback_and_state_keep_codes_apart(tmp_path: Path) -> None:
    """A code comes back only to the callback that its own provider knows; a state of the other is astray there."""
    async with run_vendor_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path) as (world, vendors):
        await world.enrol()
        for provider in (world.provider, vendors):
            provider.evil = NO_ISS
        world.skip(signin.IDLE)
        mixed = Mixed(world, vendors)
        for callback, state in itertools.product(CODES, CODES):
            ended = await mixed.comes_back(Case(callback, state, callback, None))
            assert ended == ("in" if callback == state else "sign-in-astray")
            assert mixed.leaked() == []
        for provider in (world.provider, vendors):
            provider.evil = HONEST
