"""Refusals are events: the first of a kind at once, those that follow counted and told when their minute is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.actions import drafting, grants
from app.actions.answers import Answer
from app.actions.clock import tell_refusals
from app.domain.errors import Refused
from app.domain.events import Entry
from tests.actions.attacks import Watch, trail
from tests.actions.worlds import AUDITOR, World

FLOOD = 500


def at_noon(world: World) -> None:
    """Set the clock to the first second of a minute, so that a flood lies in few of them."""
    now = world.now()
    world.skip(timedelta(seconds=60 - now.second, microseconds=-now.microsecond))


def a_minute(told: Sequence[Entry]) -> Counter[str]:
    return Counter(each.at.isoformat(timespec="minutes") for each in told)


async def test_a_flood_of_refused_requests_is_two_events_a_minute_of_a_kind(enrolled: World) -> None:
    world = enrolled
    at_noon(world)
    watch = await Watch.begin(world)
    kinds: dict[str, dict[str, Any]] = {
        "account-deactivated": {"account": "exl_support"},
        "case-not-escalated": {"escalated": False},
    }
    for n in range(FLOOD):
        with pytest.raises(Refused, match=list(kinds)[n % 2]):
            await world.file(**list(kinds.values())[n % 2])
    world.skip(timedelta(minutes=1))
    while await tell_refusals(world.services):
        pass
    told = await watch.told()
    assert {each.type for each in told} == {"request.refused"}
    for kind in kinds:
        of_kind = [each for each in told if each.data["problem"] == kind]
        assert of_kind[0].data["count"] == 1
        assert sum(each.data["count"] for each in of_kind) == FLOOD / 2
        assert max(a_minute(of_kind).values()) <= 2
    assert await tell_refusals(world.services) == 0
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_refused_tokens_and_answers_are_counted_too(enrolled: World) -> None:
    world = enrolled
    request = (await world.file()).row.id
    at_noon(world)
    watch = await Watch.begin(world)
    auditor = await world.visitor(AUDITOR)
    for _ in range(20):
        with pytest.raises(Refused, match="not-approved"):
            await grants.mint(world.services, world.caller, request)
        with pytest.raises(Refused, match="not-approver"):
            await drafting.answer(world.services, auditor, request, Answer("deny", why="No."))
    world.skip(timedelta(minutes=1))
    await tell_refusals(world.services)
    told = await watch.told()
    assert max(a_minute([each for each in told if each.type == "token.refused"]).values()) <= 2
    refused = [each for each in told if each.type == "decision.refused"]
    assert [each.data["problem"] for each in refused] == ["not-approver"] * len(refused)
    assert sum(each.data["count"] for each in refused) == 20
    assert len(refused) <= 3
    assert len(told) <= 6


async def test_no_refusal_is_told_before_its_minute_is_over(enrolled: World) -> None:
    world = enrolled
    at_noon(world)
    for _ in range(3):
        with pytest.raises(Refused):
            await world.file(account="exl_api")
    size = len(await trail(world))
    assert await tell_refusals(world.services) == 0
    assert len(await trail(world)) == size
    world.skip(timedelta(minutes=1))
    assert await tell_refusals(world.services) == 1
    assert [each.data["count"] for each in await trail(world, size)] == [2]


async def test_more_than_so_many_requests_an_hour_are_too_many(enrolled: World) -> None:
    world = enrolled
    world.services = replace(world.services, requests_per_hour=3)
    for _ in range(3):
        await world.file()
    with pytest.raises(Refused, match="too-many-requests") as refused:
        await world.file()
    assert refused.value.refusal.retry_after
    told = [each for each in await trail(world) if each.type == "request.refused"]
    assert [(each.data["problem"], each.data["count"]) for each in told] == [("too-many-requests", 1)]
    world.skip(timedelta(hours=1, seconds=1))
    assert (await world.file()).status == "pending"
