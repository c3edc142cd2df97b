"""Sign-ins begun and broken off: bounded by address, bounded in the trail, and of no harm to other institutions."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.actions import clock, signin, tries
from app.actions.callback import finish
from app.actions.journey import Where
from app.domain.errors import Refused, Unavailable
from app.domain.kinds import VENDOR
from app.storage import attempts, entries
from tests.actions.vendors import run_vendor_world, vendor_signs_in
from tests.actions.worlds import CODE, LIBRARIAN, World, provider_client
from tests.identity.malicious_provider import HONEST, Evil

HERE = Where("2001:db8:1:2::7", "tests")


def test_an_ipv6_address_counts_by_its_64() -> None:
    assert tries.network("2001:db8:1:2::7") == tries.network("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert tries.network("192.0.2.7") != tries.network("192.0.2.8")
    assert tries.network("") == ""


async def test_an_address_begins_so_many_sign_ins_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "BEGUN", 3)
    for _ in range(3):
        await tries.may_begin(world.services, CODE, HERE)
    for code in (CODE, "01NOBODY"):
        for left in range(3 if code != CODE else 0):
            await tries.may_begin(world.services, code, replace(HERE, ip=f"2001:db8:9::{left}"))
        with pytest.raises(Refused) as refused:
            await tries.may_begin(world.services, code, HERE if code == CODE else replace(HERE, ip="2001:db8:9::9"))
        assert (refused.value.refusal.problem, refused.value.refusal.retry_after) == ("too-many-requests", 600)
    await tries.may_begin(world.services, VENDOR, HERE)
    with pytest.raises(Refused, match="too-many-requests"):
        for _ in range(3):
            await tries.may_begin(world.services, VENDOR, HERE)
    await tries.may_begin(world.services, CODE, replace(HERE, ip="2001:db8:1:3::7"))
    world.skip(tries.WINDOW)
    await tries.may_begin(world.services, CODE, HERE)
    world.skip(tries.LONGEST + timedelta(seconds=1))
    await clock.tidy(world.services)
    async with world.services.database.begin() as tx:
        assert (await attempts.count(tx, b"new", await tx.now(), tries.WINDOW)).count == 1


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_what_is_broken_off_again_and_again_does_not_fill_the_trail(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "TOLD", 4)
    world.provider.evil = Evil("", callback=lambda back: (back.pop("code"), back.update(error="access_denied")))
    for _ in range(12):
        begun = await signin.begin(world.services, CODE, "/", None)
        with pytest.raises(Refused, match="sign-in-refused"):
            await finish(world.services, CODE, await world.visit(begun, LIBRARIAN), begun.cookie, None, HERE)
    assert await _refused(world) == 5, "the first four each, then the first of its minute"
    world.skip(timedelta(minutes=2))
    await clock.tell_refusals(world.services)
    assert await _refused(world) == 6, "and the rest of that minute as one"


async def _refused(world: World) -> int:
    async with world.services.database.read() as tx:
        return len(await entries.find(tx, CODE, entries.LeafFilter(type="sign_in.refused"), 1000))


async def test_while_one_provider_hangs_another_institution_signs_in(tmp_path: Path) -> None:
    async with run_vendor_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path) as (world, vendors):
        world.services = replace(world.services, provider=provider_client(3))
        world.provider.evil = Evil("", slow="/.well-known/openid-configuration")
        hanging = [asyncio.create_task(signin.begin(world.services, CODE, "/", None)) for _ in range(60)]
        await asyncio.sleep(0)
        began = time.monotonic()
        await vendor_signs_in(world, vendors, "auditor@vendor.example")
        assert time.monotonic() - began < 2.5, "it did not wait for the one that hangs"
        assert not any(task.done() and task.exception() is None for task in hanging)
        ended = await asyncio.gather(*hanging, return_exceptions=True)
        assert {getattr(each, "problem", None) for each in ended} == {"provider-unavailable"}
        assert all(isinstance(each, Unavailable) for each in ended)
        assert world.provider.hits["/.well-known/openid-configuration"] <= 2, "all of them waited for one call"
        world.provider.evil = HONEST
        await signin.begin(world.services, CODE, "/", None)
