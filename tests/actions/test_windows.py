"""Policies of time and strength through the whole service.

Hours and closed dates across a change of the clock, a second approval for long or late windows, step-up, and a policy
that is tightened while an answer is under way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.actions import decisions, grants
from app.actions.endings import change
from app.actions.ledger import write
from app.domain.errors import Refused
from app.domain.events import Actor, Event
from app.domain.policy import Policy
from app.storage import requests, roster
from tests.actions.worlds import CODE, HEAD, LIBRARIAN, Configure, World
from tests.identity.lies import plus, said, unsaid
from tests.identity.malicious_provider import HONEST

POLICY: dict[str, str] = {
    "hours over the skipped hour": 'access_hours = [{day="sun",from="01:00",to="04:00"}]',
    "a closed date that ends in the skipped hour": 'blackouts = [{from="2027-03-28T01:00",to="2027-03-28T02:30"}]',
    "a second approval": 'second_approval_over_minutes = 120\nworking_hours = [{day="mon",from="08:00",to="17:00"}]',
    "step-up": 'sign_in_max_age_s = 300\nacr_values = ["mfa"]',
    "nothing": "",
}


@pytest.fixture(params=["nothing"])
def policy(request: pytest.FixtureRequest) -> str:
    """The policy's name in `POLICY`."""
    return str(request.param)


@pytest.fixture
def configure(policy: str) -> Configure:
    """The world with that policy."""
    one = "approvals_required = 1"
    return lambda text: text.replace(one, f"{one}\n{POLICY[policy]}")


async def at(world: World, frozen: datetime) -> World:
    """The world at a moment, enrolled."""
    world.frozen = frozen
    await world.enrol()
    return world


async def state(world: World, request: str) -> dict[str, Any]:
    async with world.services.database.read() as tx:
        row = await requests.read(tx, request, CODE)
    assert row is not None
    return dict(row.state)


async def verified(world: World) -> None:
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


SATURDAY = datetime(2027, 3, 27, 12, tzinfo=UTC)  # the night after, Vienna's clocks go from 02:00 to 03:00


@pytest.mark.parametrize(
    "world, policy, window",
    [
        ("sqlite", "hours over the skipped hour", ("2027-03-28T00:00", "2027-03-28T02:00")),
        (
            "sqlite",
            "a closed date that ends in the skipped hour",
            ("2027-03-28T01:00", "2027-03-28T04:00"),
        ),
    ],
    indirect=["world", "policy"],
)
async def test_a_grant_is_cut_by_the_wall_clock_when_an_hour_is_skipped(world: World, window: tuple[str, str]) -> None:
    await at(world, SATURDAY)
    begins = datetime(2027, 3, 28, 0, tzinfo=UTC) if window[0].endswith("01:00") else SATURDAY + timedelta(hours=11.5)
    request = (await world.file(not_before=begins, minutes=240)).row.id
    await world.approve(HEAD, request)
    grant = (await state(world, request))["grant"]
    assert (grant["not_before"][:16], grant["not_after"][:16]) == window
    world.frozen = datetime.fromisoformat(window[0]).replace(tzinfo=UTC)
    assert (await grants.mint(world.services, world.caller, request)).access_token
    world.frozen = datetime.fromisoformat(window[1]).replace(tzinfo=UTC)
    with pytest.raises(Refused, match="grant-ended"):
        await grants.mint(world.services, world.caller, request)
    await verified(world)


MONDAY = datetime(2027, 1, 11, 9, tzinfo=UTC)  # 10:00 in Vienna


@pytest.mark.parametrize("policy", ["a second approval"], indirect=True)
async def test_long_and_late_windows_need_one_approval_more_and_narrowing_spares_it(world: World) -> None:
    await at(world, MONDAY)
    late = {"not_before": MONDAY + timedelta(hours=6.5), "minutes": 60}  # 16:30 to 17:30
    for asked, needs in (({"minutes": 120}, 1), ({"minutes": 121}, 2), (late, 2), (late | {"minutes": 30}, 1)):
        filed = await world.file(**asked)
        assert filed.required == needs
        await world.approve(HEAD, filed.row.id)
        assert ((await state(world, filed.row.id))["grant"] is not None) == (needs == 1)
        if needs == 2:
            await world.approve(LIBRARIAN, filed.row.id)
            assert len((await state(world, filed.row.id))["grant"]["decisions"]) == 2
    narrowed = (await world.file(minutes=240)).row.id
    own = {"from_": "2027-01-11T09:00:00Z", "to": "2027-01-11T11:00:00Z", "window": "own"}
    await world.approve(HEAD, narrowed, **own)
    assert (await state(world, narrowed))["grant"]["not_after"][:16] == "2027-01-11T11:00"
    await verified(world)


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
@pytest.mark.parametrize("policy", ["step-up"], indirect=True)
async def test_step_up_is_asked_for_and_enforced(enrolled: World) -> None:
    world = enrolled
    request = (await world.file()).row.id
    draft = await world.draft(HEAD, request)
    begun = await decisions.confirm(world.services, await world.visitor(HEAD), request, draft, None)
    assert begun is not None
    sent = parse_qs(urlsplit(begun.url).query)
    assert (sent["max_age"], sent["acr_values"]) == (["300"], ["mfa"])
    for evil, reason in (
        (said("auth-time", auth_time=plus(-420)), "id-token-auth-time"),
        (unsaid("auth_time", "auth-time"), "id-token-auth-time"),
        (said("acr", acr="pwd"), "id-token-acr"),
        (unsaid("acr", "acr"), "id-token-acr"),
    ):
        world.provider.evil = evil
        with pytest.raises(Refused) as refused:
            await world.approve(HEAD, request)
        assert dict(refused.value.refusal.extra)["reason"] == reason
        world.provider.evil = HONEST
        await world.sign_in(HEAD)
    world.provider.evil = said("auth-time", auth_time=plus(-200))
    await world.approve(HEAD, request)
    world.provider.evil = HONEST
    assert (await state(world, request))["status"] == "active"
    await verified(world)


async def tighten(world: World, tighter: Callable[[Policy], Policy]) -> None:
    """An admin tightens the policy; it takes effect at once."""
    async with world.services.database.read() as tx:
        head = await roster.of_email(tx, CODE, HEAD)
    assert head is not None
    async with write(world.services, CODE) as book:
        policy = tighter(book.institution.policy).to_data()
        data: dict[str, Any] = {"change": None, "policy": policy, "evidence": []}
        await change(book, Event("policy.set", CODE, Actor("person", head.person), data))


async def test_a_policy_tightened_in_mid_flight_is_the_one_that_counts(enrolled: World) -> None:
    world = enrolled
    request, other = (await world.file()).row.id, (await world.file()).row.id
    draft = await world.draft(LIBRARIAN, request)
    begun = await decisions.confirm(world.services, await world.visitor(LIBRARIAN), request, draft, None)
    assert begun is not None
    await tighten(world, lambda policy: replace(policy, approvals_required=2))
    with pytest.raises(Refused) as refused:  # between the check page and the return
        await world.travel(begun, LIBRARIAN)
    assert dict(refused.value.refusal.extra)["reason"] == "policy-changed"
    await world.sign_in(LIBRARIAN)
    await world.approve(LIBRARIAN, request)
    assert (await state(world, request))["status"] == "pending"
    await world.approve(HEAD, request)
    assert (await state(world, request))["status"] == "active"
    await world.approve(HEAD, other)
    await world.approve(LIBRARIAN, other)
    await tighten(world, lambda policy: replace(policy, max_window_minutes=120))  # between the approval and the mint
    for each in (request, other):
        assert (await state(world, each))["grant"]["ended_because"] == "rules"
        with pytest.raises(Refused, match="grant-ended"):
            await grants.mint(world.services, world.caller, each)
    await verified(world)
