"""Stop codes: one ends all access at once, without a sign-in; nothing else does, and nothing is told to who guesses."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from app.actions import decisions, doctor, grants, introspection, stop_codes
from app.actions.journey import Where
from app.actions.stop_codes import TRIES, TRIES_IN_ALL, WINDOW, Stopped
from app.domain.errors import Refused
from app.storage import entries
from app.storage import stop_codes as rows_of
from app.storage.leaves import Stored
from tests.actions.worlds import CODE, HEAD, LIBRARIAN, WHERE, World

WRONG = "AAAA-AAAA-AAAA"


async def _codes(world: World) -> tuple[str, ...]:
    return await stop_codes.make(world.services, await world.visitor(HEAD))


async def _stop(world: World, code: str, institution: str = CODE, where: Where = WHERE) -> Stopped:
    return await stop_codes.stop(world.services, institution, code, where)


async def _events(world: World, type_: str) -> list[Stored]:
    async with world.services.database.read() as tx:
        return await entries.find(tx, CODE, entries.LeafFilter(type=type_), 1000)


async def _fine(world: World) -> None:
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.error, report.findings, report.missing) == (0, None, (), ())
    assert await doctor.examine(world.services) == []


async def _refused(world: World, code: str, institution: str = CODE, where: Where = WHERE) -> str:
    with pytest.raises(Refused) as refused:
        await _stop(world, code, institution, where)
    return f"{refused.value.refusal}"


async def _one_of_each(world: World) -> list[str]:
    """A request that is active, one approved, one on the ground of the phase, one whose window is over unrecorded."""
    over = await world.file(minutes=15)
    await world.approve(HEAD, over.row.id)
    world.skip(timedelta(minutes=20))
    active, approved = await world.file(), await world.file(not_before=world.now() + timedelta(hours=3))
    await world.approve(HEAD, active.row.id)
    await world.approve(LIBRARIAN, approved.row.id)
    granted = await world.file(environment="esploro-sandbox")
    return [active.row.id, approved.row.id, granted.row.id]


async def test_a_code_ends_all_access_and_nothing_else(enrolled: World) -> None:
    world = enrolled
    running, pending = await _one_of_each(world), await world.file()
    codes = await _codes(world)
    assert len({*codes}) == 10
    minted = await grants.mint(world.services, world.caller, running[0])
    stopped = await _stop(world, codes[3].lower().replace("-", " "), f" {CODE.lower()} ")
    assert (stopped.open, stopped.upcoming) == (2, 1)
    (told,) = await _events(world, "stop_code.used")
    assert (told.entry.data["revoked"], told.entry.index) == (sorted(running), stopped.index)
    revoked = await _events(world, "request.revoked")
    assert {each.entry.data["because"] for each in revoked} == {"stop-code"}
    assert {each.entry.at for each in revoked} == {told.entry.at}
    assert await introspection.introspect(world.services, world.caller, minted.access_token) == {"active": False}
    with pytest.raises(Refused, match="grant-ended"):
        await grants.mint(world.services, world.caller, running[0])
    await _fine(world)
    await world.approve(HEAD, pending.row.id)
    await grants.mint(world.services, world.caller, pending.row.id)
    assert "stop-refused" in await _refused(world, codes[3])
    assert (await _stop(world, codes[4])).open == 1
    await _fine(world)


async def test_approvers_and_engineer_are_told(enrolled: World) -> None:
    world = enrolled
    filed = await world.file()
    await world.approve(HEAD, filed.row.id)
    before = len(await _events(world, "mail.queued"))
    await _stop(world, (await _codes(world))[0])
    mails = (await _events(world, "mail.queued"))[before:]
    assert [each.entry.data["kind"] for each in mails] == ["outcome"] * 3 + ["outcome-vendor"]
    assert {each.entry.data["about"] for each in mails} == {filed.row.id}


async def test_nothing_running_is_ended_as_well(enrolled: World) -> None:
    codes = await _codes(enrolled)
    stopped = await _stop(enrolled, codes[9])
    assert (stopped.open, stopped.upcoming) == (0, 0)
    view = await stop_codes.overview(enrolled.services, await enrolled.visitor(HEAD))
    assert (view.unused, view.used, view.made_by) == (9, ((stopped.at, 0),), "Head of Systems")
    await _fine(enrolled)


async def test_new_codes_void_the_old_ones(enrolled: World) -> None:
    old, new = await _codes(enrolled), await _codes(enrolled)
    assert "stop-refused" in await _refused(enrolled, old[0])
    await _stop(enrolled, new[0])
    assert [each.entry.data["count"] for each in await _events(enrolled, "stop_codes.made")] == [10, 10]


async def test_of_many_who_use_one_code_at_once_one_wins(enrolled: World) -> None:
    world = enrolled
    running = await _one_of_each(world)
    code = (await _codes(world))[0]
    wheres = [Where(f"192.0.2.{n}", "tests") for n in range(8)]
    told = await asyncio.gather(*(_stop(world, code, where=where) for where in wheres), return_exceptions=True)
    won = [each for each in told if isinstance(each, Stopped)]
    lost = [each.refusal.problem for each in told if isinstance(each, Refused)]
    assert (len(won), lost) == (1, ["stop-refused"] * 7)
    assert len(await _events(world, "stop_code.used")) == 1
    assert len(await _events(world, "request.revoked")) == len(running)
    await _fine(world)


async def test_a_code_and_an_approver_race_and_each_grant_ends_once(enrolled: World) -> None:
    world = enrolled
    running = await _one_of_each(world)
    code, head = (await _codes(world))[0], await world.visitor(HEAD)
    revoking = [decisions.revoke(world.services, head, each, "") for each in running]
    told = await asyncio.gather(_stop(world, code), *revoking, return_exceptions=True)
    assert {each.refusal.problem for each in told if isinstance(each, Refused)} <= {"wrong-state"}
    assert not [each for each in told if isinstance(each, Exception) and not isinstance(each, Refused)]
    assert sorted(each.entry.subject for each in await _events(world, "request.revoked")) == sorted(running)
    await _fine(world)


async def test_who_guesses_is_told_nothing(enrolled: World) -> None:
    world, where = enrolled, [Where(f"192.0.2.{n}", "tests") for n in range(20)]
    codes = await _codes(world)
    await _stop(world, codes[0], where=where[0])
    guesses = [
        (WRONG, CODE),
        (codes[0], CODE),
        (codes[1], "01NUL_INST"),
        (codes[1], "VENDOR"),
        (codes[1], ""),
        (codes[1], "\0"),
        (codes[1], "x" * 300),
        ("", CODE),
        ("é" * 300, CODE),
        (codes[1][:-1], CODE),
    ]
    told = {await _refused(world, *guess, where[n]) for n, guess in enumerate(guesses, start=1)}
    assert len(told) == 1
    assert len(await _events(world, "stop_code.used")) == 1


async def test_an_address_tries_five_times_in_a_quarter_of_an_hour_for_an_institution(enrolled: World) -> None:
    world = enrolled
    codes = await _codes(world)
    for institution in (CODE, "01NUL_INST"):
        left = [await _refused(world, WRONG, institution) for _ in range(TRIES)]
        assert [f"'left', '{n}'" in said for n, said in zip(range(TRIES - 1, -1, -1), left, strict=True)] == [True] * 5
        assert "too-many-requests" in await _refused(world, codes[0], institution)
    assert (await _stop(world, codes[0], where=Where("192.0.2.99", "tests"))).open == 0
    world.skip(WINDOW)
    await world.sign_in(HEAD)
    await _stop(world, codes[1])


async def test_an_address_does_not_try_on_under_other_names(enrolled: World) -> None:
    world = enrolled
    codes = await _codes(world)
    for n in range(TRIES_IN_ALL):
        neighbour = Where(f"2001:db8::{n:x}", "tests")
        assert "stop-refused" in await _refused(world, WRONG, f"I{n}", neighbour)
    assert "too-many-requests" in await _refused(world, codes[0], CODE, Where("2001:db8::ffff", "tests"))
    assert (await _stop(world, codes[0], where=Where("2001:db8:0:1::1", "tests"))).open == 0


async def test_only_an_admin_makes_codes(enrolled: World) -> None:
    for call in (stop_codes.make, stop_codes.overview):
        with pytest.raises(Refused, match="not-found"):
            await call(enrolled.services, await enrolled.visitor(LIBRARIAN))
    assert await _events(enrolled, "stop_codes.made") == []


async def test_no_code_stands_in_the_database(enrolled: World) -> None:
    codes = await _codes(enrolled)
    async with enrolled.services.database.read() as tx:
        rows = await rows_of.read_all(tx, CODE)
    kept = b"".join(row.code for row in rows)
    assert not any(code.encode() in kept or code.replace("-", "").encode() in kept for code in codes)
    assert {len(row.code) for row in rows} == {32}
