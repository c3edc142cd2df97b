"""Engineers enter the gate: whose token opens what, for whom, and how often."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.responses import Response

from app.actions import decisions, grants, requests
from app.actions.introspection import opened
from app.actions.passing import Passed
from app.domain.errors import Refused, Unavailable
from app.storage import tables
from tests.actions.attacks import rewrite
from tests.actions.gating import ALMA, DESK, ENGINEER, ESPLORO, KEYS, OTHER, OTHER_ALMA, Gates, run_gates
from tests.actions.worlds import CODE, HEAD, LIBRARIAN, provider_client
from tests.fixtures.postgres import DatabaseUrls
from tests.identity.evils import EVILS
from tests.identity.malicious_provider import HONEST, Evil


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def gates(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Gates]:
    url, owner_url = f"sqlite:///{tmp_path}/countersign.db", None
    if request.param == "postgresql":
        urls: DatabaseUrls = request.getfixturevalue("migrated_url")
        url, owner_url = urls.app, urls.owner
    async with run_gates(url, owner_url, tmp_path) as made:
        yield made


async def refused(gates: Gates) -> list[tuple[str, str | None]]:
    """The problems of refusals told since, each with its environment."""
    return [(entry.data["problem"], entry.data["environment"]) for entry in await gates.told("gate.refused")]


async def test_an_engineer_enters_with_a_token_and_a_sign_in_of_their_own(gates: Gates) -> None:
    request, token = await gates.token()
    begun = await gates.begin(token, next_path="/jobs?a=b")
    asked = parse_qs(urlsplit(begun.url).query)
    read = opened(gates.world.services, token)
    assert read is not None
    bound = f'{{"grant":"{read.access.grant}","jti":"{read.jti}"}}'.encode()
    assert asked["nonce"] == [urlsafe_b64encode(sha256(bound).digest()).rstrip(b"=").decode()]
    assert asked["redirect_uri"] == ["https://gateway.vendor.example/countersign/gate/return"]
    entered = await gates.come_back(await gates.sign_in(begun), begun.cookie)
    assert entered.next == "/jobs?a=b"
    (session,) = await gates.told("session.opened")
    assert await gates.ask(entered.cookie) == Passed(session.subject, CODE, "exl_impl", ENGINEER)
    assert (session.data["request"], session.data["engineer_proved"]) == (request, True)
    assert (session.actor.kind, len(session.data["evidence"])) == ("system", 1)


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example", "https://evil.example", "/a\r\nX: y", "", "/\x00"]
)
async def test_whoever_enters_stays_at_the_gateway(gates: Gates, path: str) -> None:
    _, token = await gates.token()
    begun = await gates.begin(token, next_path=path)
    assert (await gates.come_back(await gates.sign_in(begun), begun.cookie)).next == "/"


async def test_a_token_opens_one_session_however_many_bring_it_at_once(gates: Gates) -> None:
    _, token = await gates.token()
    journeys = [await gates.begin(token) for _ in range(6)]
    brought = [await gates.sign_in(begun) for begun in journeys]
    came = await asyncio.gather(
        *(gates.come_back(each, begun.cookie) for each, begun in zip(brought, journeys, strict=True)),
        return_exceptions=True,
    )
    lost = [each.refusal.problem for each in came if isinstance(each, Refused)]
    assert (len(came), lost) == (6, ["token-inactive"] * 5)
    assert len(await gates.told("session.opened")) == 1
    with pytest.raises(Refused, match="token-inactive"):
        await gates.begin(token)
    assert ("token-used", ESPLORO) in await refused(gates)


async def test_a_token_entered_in_another_persons_browser_opens_nothing(gates: Gates) -> None:
    _, token = await gates.token()
    begun = await gates.begin(token)
    with pytest.raises(Refused) as no:
        await gates.come_back(await gates.sign_in(begun, sub="e5678"), begun.cookie)
    assert dict(no.value.refusal.extra)["reason"] == "engineer-differs"
    assert await refused(gates) == [("engineer-differs", ESPLORO)]
    assert await gates.told("session.opened") == []
    await gates.enter(token)


@pytest.mark.parametrize("browser", [None, "the cookie of another browser"])
async def test_a_sign_in_that_began_in_another_browser_opens_nothing_and_goes_on(
    gates: Gates, browser: str | None
) -> None:
    _, token = await gates.token()
    begun = await gates.begin(token)
    brought = await gates.sign_in(begun)
    with pytest.raises(Refused, match="sign-in-astray"):
        await gates.come_back(brought, browser)
    assert await gates.told("session.opened", "gate.refused") == []
    await gates.come_back(brought, begun.cookie)
    assert len(await gates.told("session.opened")) == 1


async def test_a_sign_in_that_takes_too_long_opens_nothing(gates: Gates) -> None:
    _, token = await gates.token()
    begun = await gates.begin(token)
    brought = await gates.sign_in(begun)
    gates.world.skip(timedelta(minutes=10, seconds=1))
    with pytest.raises(Refused, match="sign-in-astray"):
        await gates.come_back(brought, begun.cookie)


async def test_a_token_enters_at_its_own_environments_gate_alone(gates: Gates) -> None:
    _, token = await gates.token()
    _, other = await gates.token(OTHER_ALMA, OTHER)
    for given, environment in ((token, ALMA), (token, OTHER_ALMA), (other, ESPLORO), ("no token", ESPLORO)):
        with pytest.raises(Refused, match="token-inactive"):
            await gates.begin(given, environment)
    begun = await gates.begin(token)
    with pytest.raises(Refused, match="sign-in-astray"):
        await gates.come_back(await gates.sign_in(begun), begun.cookie, ALMA)
    assert await refused(gates) == [("token-unknown", ALMA), ("token-unknown", ESPLORO)]


@pytest.mark.parametrize("key", [None, "", "a key of no gate"])
async def test_without_its_key_a_gate_opens_nothing(gates: Gates, key: str | None) -> None:
    _, token = await gates.token()
    KEYS["nowhere"] = key or ""
    with pytest.raises(Refused, match="gate-unknown"):
        await gates.begin(token, "nowhere")
    with pytest.raises(Refused, match="gate-unknown"):
        await gates.ask("cookie", environment="nowhere")


async def _revoke(gates: Gates, request: str, _: str) -> None:
    await gates.world.enrol()
    await decisions.revoke(gates.world.services, await gates.world.visitor(HEAD), request, "")


async def _complete(gates: Gates, request: str, _: str) -> None:
    await requests.complete(gates.world.services, gates.world.caller, request, "Done.", None)


async def _take_back(gates: Gates, _: str, token: str) -> None:
    await grants.take_back(gates.world.services, gates.world.client, token)


async def _wait(gates: Gates, _: str, __: str) -> None:
    gates.world.skip(timedelta(minutes=8))


async def _forge(gates: Gates, _: str, token: str) -> None:
    read = opened(gates.world.services, token)
    assert read is not None
    await rewrite(gates.world, tables.tokens, {"jti": read.jti}, {"exp": read.exp + 3600})


@pytest.mark.parametrize("happens", [_revoke, _complete, _take_back, _wait, _forge])
async def test_what_ends_while_the_engineer_signs_in_opens_nothing(
    gates: Gates, happens: Callable[[Gates, str, str], Awaitable[None]]
) -> None:
    request, token = await gates.token()
    gates.world.skip(timedelta(minutes=8))
    begun = await gates.begin(token)
    brought = await gates.sign_in(begun)
    await happens(gates, request, token)
    with pytest.raises(Refused, match="token-inactive"):
        await gates.come_back(brought, begun.cookie)
    assert await gates.told("session.opened") == []
    assert len(await refused(gates)) == 1


async def test_a_lying_provider_opens_nothing(gates: Gates) -> None:
    _, token = await gates.token()
    lies = [name for name, evil in EVILS.items() if not evil.slow and evil.problem in _TOLD]
    ended = {name: await _ends_as(gates, token, EVILS[name]) for name in lies}
    assert ended == {name: EVILS[name].problem for name in lies}
    assert len(lies) > 60
    assert await gates.told("session.opened") == []
    assert set(await refused(gates)) == {(EVILS[name].problem, ESPLORO) for name in lies}
    await gates.enter(token)


async def _ends_as(gates: Gates, token: str, evil: Evil) -> str | None:
    """How an entry ends whose provider lies."""
    gates.world.services = replace(gates.world.services, provider=provider_client())
    begun = await gates.begin(token)
    gates.vendor.evil = evil
    try:
        await gates.come_back(await gates.sign_in(begun), begun.cookie)
    except Refused as no:
        return dict(no.refusal.extra).get("reason")
    finally:
        gates.vendor.evil = HONEST
    return "somebody is in"


_TOLD = {f"id-token-{claim}" for claim in ("iss", "sub", "aud", "azp", "nonce", "iat", "exp", "nbf", "at-hash")}
_TOLD |= {f"id-token-{part}" for part in ("malformed", "header", "alg", "key-unknown", "signature", "missing")}


async def test_without_the_vendors_provider_nobody_enters(gates: Gates) -> None:
    _, token = await gates.token()
    honest = gates.world.services
    begun = await gates.begin(token)
    brought = await gates.sign_in(begun)
    gates.world.services = replace(honest, provider=provider_client())
    gates.vendor.evil = Evil(
        "", discovery=lambda _: Response(status_code=503), answer=lambda _: Response(status_code=503)
    )
    with pytest.raises(Unavailable):
        await gates.begin(token)
    with pytest.raises(Refused, match="sign-in-refused"):
        await gates.come_back(brought, begun.cookie)
    assert ("provider-unavailable", ESPLORO) in await refused(gates)
    gates.world.services = honest


async def test_what_the_gate_opened_and_let_through_verifies(gates: Gates) -> None:
    await gates.world.enrol()
    filed = await gates.world.file()
    await gates.world.approve(LIBRARIAN, filed.row.id)
    token = await gates.mint(filed.row.id)
    cookie = await gates.enter(token, ALMA)
    for path in ("/", "/jobs", "/jobs?name=***"):
        assert isinstance(await gates.ask(cookie, environment=ALMA, summary=f"GET {path}"), Passed)
    report = await gates.world.verify(await gates.world.bundle())
    assert report.findings == ()
    assert DESK.ip not in str(await gates.told("session.opened"))
