"""What the policy keeps no longer is erased, told of, and never what the service still needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.actions import decisions, doctor, grants, person
from app.actions.retention import SETTLED, erase_old, is_settled
from app.domain.errors import Unavailable
from app.domain.retention import kept_until
from app.domain.times import stamp
from app.storage import entries, roster, service_meta, tables
from app.storage.leaves import Stored
from tests.actions.attacks import rewrite
from tests.actions.worlds import CODE, DEPUTY, HEAD, LIBRARIAN, Configure, World

YEAR = timedelta(days=366)


@pytest.fixture
def configure() -> Configure:
    """An institution that keeps private parts and evidence for one year."""
    return lambda text: text.replace("approvals_required = 1", "approvals_required = 1\nretention_years = 1")


async def _story(world: World) -> str:
    """A request from its filing to its end; its id."""
    request = (await world.file()).row.id
    await world.approve(HEAD, request, note="Only the nightly job.")
    await grants.mint(world.services, world.caller, request)
    await decisions.revoke(world.services, await world.visitor(HEAD), request, "Enough.")
    return request


async def _told(world: World) -> dict[int, Stored]:
    async with world.services.database.read() as tx:
        return {each.entry.index: each for each in await entries.read_leaves(tx, CODE, 0, 1 << 31)}


async def _digests(world: World) -> frozenset[str]:
    async with world.services.database.read() as tx:
        found = await tx.connection.execute(sa.select(tables.evidence.c.digest).where(tables.evidence.c.log == CODE))
        return frozenset(found.scalars())


async def _settle(world: World) -> None:
    """As if the clock had gone on evenly up to now."""
    now = world.now()
    async with world.services.database.begin() as tx:
        await service_meta.write(tx, "clock-seen", {"since": stamp(now - SETTLED), "last": stamp(now)})


async def _erase(world: World) -> None:
    await _settle(world)
    while await erase_old(world.services):
        pass


async def test_what_is_old_goes_and_what_is_needed_stays(enrolled: World) -> None:
    world = enrolled
    request = await _story(world)
    async with world.services.database.read() as tx:
        deputy = await roster.of_email(tx, CODE, DEPUTY)
    assert deputy is not None
    world.skip(timedelta(days=364))
    assert await erase_old(world.services) == 0
    await world.sign_in(HEAD)
    await person.remove(world.services, await world.visitor(HEAD), deputy.person)
    before, evidence = await _told(world), await _digests(world)
    world.skip(timedelta(days=2))
    await _erase(world)

    told, left = await _told(world), await _digests(world)
    gone = {index for index, each in before.items() if each.private is not None and told[index].private is None}
    erasures = [each.entry for each in told.values() if each.entry.type.endswith(".erased")]
    assert [(each.type, each.actor.id, each.data["because"]) for each in erasures] == [
        ("private.erased", "worker", "retention"),
        ("evidence.erased", "worker", "retention"),
    ]
    assert erasures[0].data["indexes"] == sorted(gone)
    assert erasures[1].data["digests"] == sorted(evidence - left)
    types = {before[index].entry.type for index in gone}
    assert {"request.created", "decision.made", "request.revoked", "person.bound", "sign_in.succeeded"} <= types
    assert [before[index].entry.subject for index in gone if before[index].entry.type == "person.bound"] == [
        deputy.person
    ]
    kept = [each.entry for each in told.values() if each.private is not None]
    assert {each.subject for each in kept if each.type == "person.bound"} & {deputy.person} == set()
    assert len([each for each in kept if each.type == "person.bound"]) == 3
    assert kept[0].type == "trail.opened"
    keys = [each.entry for each in told.values() if each.entry.type == "identity_provider.keys_seen"]
    assert all(set(each.data["evidence"]) <= left for each in keys)

    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ()), report.to_text()
    assert report.erased["private"]["decision.made"] == report.erased["evidence"]["decision.made"] == 1
    assert any("1 of decision.made" in note for note in report.notes)
    one = await world.verify(await world.bundle(request))
    assert (one.exit_code, one.findings) == (0, ()), one.to_text()
    assert await doctor.examine(world.services) == []

    another = (await world.file()).row.id
    await world.sign_in(HEAD)
    await world.approve(HEAD, another)
    await grants.mint(world.services, world.caller, another)


async def test_nothing_is_erased_twice_or_by_a_row_that_was_changed_behind_the_services_back(enrolled: World) -> None:
    world = enrolled
    await _story(world)
    row = (await world.institution()).to_data()
    state = row | {"policy": row["policy"] | {"retention_years": 7}}
    await rewrite(world, tables.institutions, {"code": CODE}, {"state": state})
    world.skip(timedelta(days=8 * 366))
    await _settle(world)
    with pytest.raises(Unavailable, match="not as the trail tells it"):
        await erase_old(world.services)
    assert not any(each.entry.type.endswith(".erased") for each in (await _told(world)).values())
    await rewrite(world, tables.institutions, {"code": CODE}, {"state": row})
    await _erase(world)
    size = len(await _told(world))
    await _erase(world)
    assert len(await _told(world)) == size


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_request_is_still_shown_when_what_was_personal_in_it_is_gone(enrolled: World) -> None:
    world = enrolled
    request = await _story(world)
    waiting = (await world.file()).row.id
    world.skip(YEAR)
    await world.sign_in(LIBRARIAN)
    await _erase(world)
    told = await _told(world)
    parts = {each.entry.subject: each.private for each in told.values() if each.entry.type == "request.created"}
    assert parts[request] is None
    assert parts[waiting] is not None, "a request that is not over keeps what it was asked with"


def test_the_day_after_a_leap_day_is_not_too_early() -> None:
    leap = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert kept_until(leap, 1) == datetime(2029, 3, 1, 12, tzinfo=UTC)
    assert kept_until(leap, 4) == datetime(2032, 3, 1, 12, tzinfo=UTC)
    assert kept_until(leap.replace(day=28), 1) == datetime(2029, 2, 28, 12, tzinfo=UTC)


async def test_a_clock_that_jumped_years_ahead_erases_nothing_before_it_went_on_for_a_month(enrolled: World) -> None:
    world = enrolled
    await _story(world)
    await _settle(world)
    world.skip(20 * YEAR)
    before = await _told(world)
    for _ in range(14):
        assert await erase_old(world.services) == 0
        world.skip(timedelta(days=2))
    assert {index: each.private for index, each in (await _told(world)).items()}.items() >= {
        (index, each.private) for index, each in before.items()
    }
    world.skip(timedelta(days=-20 * 366))  # somebody set it right
    assert not await is_settled(world.services)
    world.skip(timedelta(days=4))  # and the service was down for a while
    assert not await is_settled(world.services)
    settled = []
    for _ in range(15):
        world.skip(timedelta(days=2))
        settled.append(await is_settled(world.services))
    assert settled == [False] * 14 + [True]
