"""Sessions end by the person, by their provider and by the clock: in the database, and each end is an event."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.actions import logout, own_sessions, signin
from app.domain.errors import Refused
from app.identity.logout_token import EVENT
from app.storage import entries, tables
from tests.actions.attacks import Watch, read_row, rewrite
from tests.actions.worlds import AUDITOR, CODE, HEAD, LIBRARIAN, World
from tests.identity.lies import OTHER, by, instead, unsigned
from tests.identity.malicious_provider import Evil, Made

Change = Callable[[Made], object]


def made(world: World, email: str | None = LIBRARIAN, **claims: Any) -> Made:
    """A logout token in the making."""
    now, provider = int(world.now().timestamp()), world.provider
    said: dict[str, Any] = {
        "iss": provider.issuer,
        "aud": "countersign",
        "iat": now,
        "exp": now + 120,
        "jti": f"jti-{next(world.cases)}",
        "events": {EVENT: {}},
    }
    said |= {} if email is None else {"sub": f"sub-of-{email}"}
    return Made(
        provider, {"alg": "ES256", "kid": "k1", "typ": "logout+jwt"}, said | claims, provider.keys[0], "", "", now
    )


async def _told(world: World, because: str) -> list[str]:
    async with world.services.database.read() as tx:
        found = await entries.find(tx, CODE, entries.LeafFilter(type="sign_out.done"), 1000)
    return [each.entry.subject for each in found if each.entry.data["because"] == because]


async def _is_in(world: World, email: str) -> bool:
    return await signin.visitor(world.services, world.people[email]) is not None


async def _another(world: World, email: str) -> None:
    """Sign in in another browser."""
    del world.people[email]
    await world.sign_in(email)


async def _out(world: World, token: str) -> None:
    await logout.provider_signed_out(world.services, CODE, token)


async def test_who_signs_out_at_the_provider_is_out_here(enrolled: World) -> None:
    world = enrolled
    librarian = await world.visitor(LIBRARIAN)
    first = world.people[LIBRARIAN]
    await _another(world, LIBRARIAN)
    token = made(world).token()
    await _out(world, token)
    assert not await _is_in(world, LIBRARIAN)
    assert await signin.visitor(world.services, first) is None
    assert await _is_in(world, HEAD)
    assert await _told(world, "provider") == [librarian.person] * 2
    await world.sign_in(LIBRARIAN)
    await _out(world, token)
    assert await _is_in(world, LIBRARIAN), "each token counts once"
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_a_logout_of_one_session_leaves_the_others(enrolled: World) -> None:
    world = enrolled
    world.provider.extra_claims = {"sid": "one"}
    await world.sign_in(LIBRARIAN)
    kept = world.people[LIBRARIAN]
    world.provider.extra_claims = {"sid": "two"}
    await _another(world, LIBRARIAN)
    await _out(world, made(world, None, sid="two").token())
    assert not await _is_in(world, LIBRARIAN)
    assert await signin.visitor(world.services, kept) is not None
    for claims in ({"email": HEAD, "sid": "one"}, {"email": None, "sid": "three"}):
        await _out(world, made(world, claims.pop("email"), **claims).token())
    assert await signin.visitor(world.services, kept) is not None, "of another account, of another session"
    await _out(world, made(world, LIBRARIAN, sid="one", aud=["countersign-approvals"]).token())
    assert await signin.visitor(world.services, kept) is None


def _said(**claims: Any) -> Change:
    return lambda each: each.claims.update(claims)


def _left(name: str) -> Change:
    return lambda each: each.claims.pop(name)


def _later(name: str, seconds: int) -> Change:
    return lambda each: each.claims.update({name: each.now + seconds})


def _headed(**header: Any) -> Change:
    return lambda each: each.header.update(header)


HOSTILE: dict[str, Change] = {
    "of another issuer": _said(iss=OTHER),
    "to somebody else": _said(aud="other"),
    "to others too": _said(aud=["countersign", "other"]),
    "to nobody": _left("aud"),
    "an ID token": _said(nonce="n-0S6", events=None),
    "with a nonce": _said(nonce="n-0S6"),
    "without events": _left("events"),
    "of another event": _said(events={"http://schemas.openid.net/event/other": {}}),
    "events a list": _said(events=[EVENT]),
    "event no object": _said(events={EVENT: True}),
    "without jti": _left("jti"),
    "jti a number": _said(jti=1),
    "without iat": _left("iat"),
    "iat a truth": _said(iat=True),
    "of tomorrow": _later("iat", 60),
    "old": _later("iat", -700),
    "over": _later("exp", -60),
    "exp text": _said(exp="never"),
    "of nobody": _left("sub"),
    "sub empty": _said(sub=""),
    "sub a list": _said(sub=["sub"]),
    "sid a number": _said(sid=7),
    "typ of an access token": _headed(typ="at+jwt"),
    "typ null": _headed(typ=None),
    "key embedded": lambda each: each.header.update(jwk=each.key.as_dict(private=False)),
    "unknown key": _headed(kid="k9"),
    "crit": _headed(crit=["exp"]),
}
FORMS: dict[str, Callable[[Made], str]] = {
    "unsigned": unsigned("none"),
    "by another key": by("ES256", "k2"),
    "nothing": lambda _: "",
    "no token": lambda _: "x.y.z",
    "endless": lambda _: "x" * 100_000,
    "claims twice": lambda each: each.token(payload=b'{"iss":"a","iss":"b"}'),
    "payload a list": lambda each: each.token(payload=b"[]"),
    "not ASCII": lambda each: each.token() + "\N{COMBINING ACUTE ACCENT}",
    "padded": lambda each: each.token() + base64.b64encode(b"x").decode(),
}


async def test_no_hostile_logout_token_ends_a_session(enrolled: World) -> None:
    world = enrolled
    watch, wrong = await Watch.begin(world), dict[str, str]()
    for name, change in HOSTILE.items():
        each = made(world)
        change(each)
        FORMS[name] = lambda _, each=each: each.token()  # type: ignore[misc]  # bound early
    for name, form in FORMS.items():
        try:
            await _out(world, form(made(world)))
        except Refused as refused:
            if refused.refusal != logout.NO_LOGOUT:
                wrong[name] = str(refused)
        else:
            wrong[name] = "taken"
    assert wrong == {}
    assert await watch.told() == []
    assert await _is_in(world, LIBRARIAN)
    with pytest.raises(Refused, match="malformed"):
        await logout.provider_signed_out(world.services, "01NOBODY", made(world).token())
    harmless = made(world)
    del harmless.header["typ"], harmless.claims["exp"]
    await _out(world, harmless.token())
    assert not await _is_in(world, LIBRARIAN), "older providers send neither typ nor exp"


async def test_sessions_that_time_ended_are_told_once(enrolled: World) -> None:
    world = enrolled
    head = await world.visitor(HEAD)
    world.skip(signin.IDLE / 2)
    assert await signin.visitor(world.services, world.people[HEAD]) is not None
    world.skip(signin.IDLE / 2 + timedelta(seconds=1))
    assert not await _is_in(world, LIBRARIAN)
    assert await _is_in(world, HEAD), "it was used meanwhile"
    for _ in range(2):
        await logout.time_out(world.services)
    told = await _told(world, "timeout")
    assert len(told) == 3
    assert head.person not in told
    for _ in range(20):
        world.skip(signin.IDLE / 2)
        await signin.visitor(world.services, world.people[HEAD])
    assert not await _is_in(world, HEAD), "ten hours are all there is, however it is used"
    await logout.time_out(world.services)
    assert (await _told(world, "timeout"))[3:] == [head.person]
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_whoever_only_began_to_enrol_signs_out_without_an_event(world: World) -> None:
    await world.sign_in(HEAD)
    world.skip(signin.IDLE)
    await logout.time_out(world.services)
    assert await _told(world, "timeout") == []


async def test_signing_out_leads_to_where_the_provider_ends_its_own_session(enrolled: World) -> None:
    world = enrolled
    assert await logout.sign_out(world.services, await world.visitor(AUDITOR)) is None, "it told of no such place"
    world.provider.evil = Evil("", discovery=instead(end_session_endpoint=f"{world.provider.issuer}/end?a=b"))
    world.skip(timedelta(minutes=11))
    for email in (LIBRARIAN, AUDITOR):
        await world.sign_in(email)
    librarian = await world.visitor(LIBRARIAN)
    world.people[LIBRARIAN] = await signin.renew(world.services, librarian)
    librarian = await world.visitor(LIBRARIAN)
    assert librarian.signs_out_at == (world.provider.issuer,)
    url = await logout.sign_out(world.services, librarian)
    assert url is not None
    assert url.startswith(f"{world.provider.issuer}/end?a=b&")
    asked = parse_qs(urlsplit(url).query)
    assert asked["post_logout_redirect_uri"] == ["http://countersign.test/sign-in"]
    assert asked["client_id"] == ["countersign"]
    assert len(asked["state"][0]) == 43
    payload = asked["id_token_hint"][0].split(".")[1]
    assert f"sub-of-{LIBRARIAN}".encode() in base64.urlsafe_b64decode(payload + "==")


async def test_a_way_out_that_somebody_wrote_into_the_database_leads_nowhere(enrolled: World) -> None:
    world = enrolled
    world.provider.evil = Evil("", discovery=instead(end_session_endpoint=f"{world.provider.issuer}/end"))
    world.skip(timedelta(minutes=11))
    for email in (LIBRARIAN, AUDITOR):
        await world.sign_in(email)
    librarian, auditor = await world.visitor(LIBRARIAN), await world.visitor(AUDITOR)
    mine, other = [
        (await read_row(world, tables.web_sessions, {"token": each.session}))["details"]
        for each in (librarian, auditor)
    ]
    for farewell in (other["farewell"], "AAAA", "!", 7):
        await rewrite(
            world, tables.web_sessions, {"token": librarian.session}, {"details": mine | {"farewell": farewell}}
        )
        assert (await world.visitor(LIBRARIAN)).signs_out_at == ()
    assert await logout.sign_out(world.services, librarian) is None


async def test_signing_out_everywhere_is_told_for_each_session(enrolled: World) -> None:
    world = enrolled
    await _another(world, LIBRARIAN)
    await own_sessions.sign_out_everywhere(world.services, await world.visitor(LIBRARIAN))
    assert len(await _told(world, "person")) == 2
