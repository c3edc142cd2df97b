"""Scans of Alma and of files: each wrong account found once and closed when it is put right, nothing on a clean one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from app.actions import alma_scans, findings, place_secrets, scans
from app.actions.doctor import examine
from app.actions.ledger import write
from app.domain.errors import Refused
from app.domain.events import WORKER
from app.identity.alma import TRIES
from app.storage import scans as rows
from app.storage import tables
from app.storage.scans import ScanRow
from tests.actions.attacks import read_row, rewrite, trail
from tests.actions.keyed import let
from tests.actions.worlds import AUDITOR, CODE, HEAD, Configure, World
from tests.fixtures.alma import KEY, Alma, run_alma, user

PLACE = "alma-production"
CLEAN = (
    user("exl_impl", "Ex Libris", "Staff"),
    user("EXL_SUPPORT", "Ex Libris", "Support", active=False),
    user("exl_api", "Ex Libris", "API", roles=("Patron",)),
    user("u1", "Alexander", "Librist", roles=("Cataloger",)),
)
WRONG = (
    user("exl_impl", "Ex Libris", "Helper"),
    user("exl_support", "Ex Libris", "Support", active=False, roles=("Cataloger",)),
    user("exl_api", "Ex Libris", "API", roles=("Patron", "User Manager")),
    user("EXL_SD", "Support and Development", "Ex Libris", active=False),
    user("u1", "Alexander", "Librist", roles=("Cataloger",)),
)
KINDS = {"impl-account-changed", "support-account-active", "api-account-staff", "unintended-user"}


@pytest.fixture
def configure() -> Configure:
    return lambda text: text.replace('scopes = ["', 'scopes = ["accounts", "')


@pytest.fixture
async def alma(enrolled: World) -> AsyncIterator[Alma]:
    """An Alma whose key the environment has, sealed."""
    async with run_alma(*CLEAN) as running:
        await let(enrolled.services, running, KEY, PLACE)
        yield running


class Rest:
    """How long was waited, without waiting."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waited.append(seconds)


async def swept(world: World, rest: Rest | None = None) -> ScanRow:
    """A day later: what the scheduled scan left."""
    world.skip(timedelta(days=1, minutes=1))
    assert await alma_scans.sweep(world.services, rest=rest or Rest()) == 1
    return await newest(world)


async def newest(world: World) -> ScanRow:
    async with world.services.database.read() as tx:
        found = await rows.newest(tx, CODE, PLACE, done=False)
    assert found is not None
    return found


async def standing(world: World) -> dict[str, str]:
    listed = await findings.page(world.services, world.caller, CODE, 50, None)
    return {each.row.kind: each.row.state for each in listed if each.row.closed_at is None}


async def test_each_wrong_account_is_found_once_and_closed_when_it_is_put_right(enrolled: World, alma: Alma) -> None:
    world = enrolled
    assert (await swept(world)).seen == {"opened": 0, "closed": 0, "broken": 0, "lines": []}
    alma.users = list(WRONG)
    for opened in (4, 0):
        assert ((await swept(world)).seen or {})["opened"] == opened
        assert await standing(world) == dict.fromkeys(KINDS, "open")
    mails = [each for each in await trail(world) if each.type == "mail.queued" and each.data["kind"] == "finding"]
    assert mails
    assert all(each.data["about"].startswith("fnd_") for each in mails)
    for place, right in enumerate(CLEAN[:3]):
        alma.users[place] = right
        assert ((await swept(world)).seen or {})["closed"] == 1
    assert await standing(world) == {"unintended-user": "open"}
    alma.users = [each for each in alma.users if each["primary_id"] != "EXL_SD"]
    await swept(world)
    assert await standing(world) == {}
    del alma.users[0]
    await swept(world)
    assert await standing(world) == {"impl-account-changed": "open"}
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
    assert await examine(world.services) == []


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_every_page_is_read_and_only_who_matters_is_asked_for(enrolled: World, alma: Alma) -> None:
    alma.users += [user(f"p{n:04}", f"Anna{n}", "Meier") for n in range(350)]
    row = await swept(enrolled)
    assert (row.state, row.users, row.total) == ("done", 354, 354)
    lists = [call for call in alma.calls if call.startswith("/almaws/v1/users?")]
    assert [parse_qs(urlsplit(call).query)["offset"] for call in lists] == [["0"], ["95"], ["190"], ["285"]]
    assert len(alma.calls) - len(lists) == 3


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_throttling_and_faults_are_waited_out(enrolled: World, alma: Alma) -> None:
    alma.faults, rest = [429, 503, "drop", 429], Rest()
    assert (await swept(enrolled, rest)).state == "done"
    assert rest.waited[:4] == [3.0, 3.0, 4.0, 3.0]
    alma.after, alma.faults, rest = None, [429, 500], Rest()
    await swept(enrolled, rest)
    assert rest.waited == [1.0, 2.0]


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "faults,words",
    [
        ([503] * TRIES, "again and again"),
        (["drop"] * TRIES, "did not answer"),
        (["xml"], "not answer in JSON"),
        (["garbage"], "not answer in JSON"),
        ([404], "404"),
        ([302], "redirect"),
        ([429], "asks to wait"),
    ],
)
async def test_what_cannot_be_read_changes_nothing_and_says_why(
    enrolled: World, alma: Alma, faults: list[int | str], words: str
) -> None:
    world = enrolled
    size, alma.users, alma.faults = len(await trail(world)), list(WRONG), faults
    alma.after = "86400" if faults == [429] else "3"
    row = await swept(world)
    assert row.state == "failed"
    assert words in (row.problem or "")
    assert len(await trail(world)) == size
    world.skip(timedelta(minutes=59))
    assert await alma_scans.sweep(world.services, rest=Rest()) == 0
    world.skip(timedelta(minutes=2))
    assert await alma_scans.sweep(world.services, rest=Rest()) == 1
    assert len(await standing(world)) == 4


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_an_alma_that_lists_nobody_or_tells_of_another_user_changes_nothing(enrolled: World, alma: Alma) -> None:
    alma.users = list(WRONG)
    await swept(enrolled)
    size = len(await trail(enrolled))
    for says, words in (
        (lambda _: {"total_record_count": 0}, "lists no users"),
        (lambda target: None if "users?" in target else CLEAN[-1], "one user with another"),
    ):
        alma.says = says
        row = await swept(enrolled)
        assert (row.state, words in (row.problem or "")) == ("failed", True)
    assert len(await trail(enrolled)) == size
    assert len(await standing(enrolled)) == 4


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_list_that_shifts_while_it_is_read_hides_nobody(enrolled: World, alma: Alma) -> None:
    alma.users = [*CLEAN, *(user(f"a{n:04}", "Anna", "Meier") for n in range(150))]
    alma.users.append(user("a0110b", "Ex", "Libris"))
    alma.meanwhile = lambda users: users.__setitem__(
        slice(None), sorted(users, key=lambda each: each["primary_id"])[20:]
    )
    row = await swept(enrolled)
    assert (row.state, (row.seen or {})["broken"]) == ("done", 0)
    assert await standing(enrolled) == {"unintended-user": "open"}


LIES: dict[str, tuple[sa.Table, dict[str, Any]]] = {
    "closed": (tables.findings, {"state": "closed", "closed_at": datetime(2026, 11, 1, tzinfo=UTC)}),
    "explained": (tables.findings, {"state": "explained"}),
    "of another kind": (tables.findings, {"kind": "day-not-reconciled"}),
    "of another place": (tables.findings, {"environment": "alma-sandbox"}),
    "found by another": (tables.findings, {"found_by": "dispute"}),
    "told elsewhere": (tables.findings, {"opened_index": 0}),
    "of nothing": (tables.findings, {"id": "fnd_01jd4r8xq4e8s9b8w7h6g5f4e3"}),
    "of fewer users": (tables.scans, {"users": 1}),
    "that found nothing": (tables.scans, {"seen": {"opened": 0, "closed": 0, "broken": 0, "lines": []}}),
    "of another entry": (tables.scans, {"idx": 1}),
    "that never ended": (tables.scans, {"state": "failed"}),
}


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_rows_of_findings_and_scans_that_somebody_changed_are_found(enrolled: World, alma: Alma) -> None:
    alma.users = list(WRONG)
    scan = await swept(enrolled)
    assert await examine(enrolled.services) == []
    finding = (await findings.page(enrolled.services, enrolled.caller, CODE, 1, None))[0].row.id
    for lie, (table, values) in LIES.items():
        key = {"log": CODE, "id": scan.id if table is tables.scans else finding}
        before = await read_row(enrolled, table, key)
        await rewrite(enrolled, table, key, values)
        assert await examine(enrolled.services) != [], lie
        await rewrite(enrolled, table, key | {name: values[name] for name in values.keys() & key.keys()}, before)
        assert await examine(enrolled.services) == [], lie


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_wrong_key_is_told_and_not_tried_again(enrolled: World, alma: Alma) -> None:
    await let(enrolled.services, alma, "another key", PLACE)
    row = await swept(enrolled)
    assert (row.state, len(alma.calls)) == ("failed", 1)
    assert "refuses the API key" in (row.problem or "")
    assert KEY not in str(row)


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_key_is_sent_to_no_address_that_somebody_wrote_into_the_database(enrolled: World, alma: Alma) -> None:
    async with run_alma(*CLEAN) as elsewhere:
        key = {"log": CODE, "environment": PLACE}
        await rewrite(enrolled, tables.environment_secrets, key, {"alma_api_base": elsewhere.base})
        row = await swept(enrolled)
        assert (row.state, alma.calls, elsewhere.calls) == ("failed", [], [])
        assert "does not open for this address" in (row.problem or "")


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_key_goes_along_when_an_admin_gives_its_environment_another_address(
    enrolled: World, alma: Alma
) -> None:
    async with run_alma(*CLEAN) as elsewhere:
        async with write(enrolled.services, CODE) as book:
            await place_secrets.keep(book, PLACE, {"alma_api_base": elsewhere.base})
        row = await swept(enrolled)
        assert (row.state, alma.calls, len(elsewhere.calls) > 0) == ("done", [], True)


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_scan_that_did_not_see_everybody_closes_nothing(enrolled: World, alma: Alma) -> None:
    alma.users = list(WRONG)
    await swept(enrolled)
    alma.users, alma.lists_less = list(CLEAN), True
    row = await swept(enrolled)
    assert (row.seen or {})["broken"] == 1
    assert len(await standing(enrolled)) == 4
    report = await enrolled.verify(await enrolled.bundle())
    assert (report.exit_code, report.findings) == (0, ())


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_scan_asked_for_waits_and_shows_how_far_it_is(enrolled: World, alma: Alma) -> None:
    world = enrolled
    await swept(world)
    for email in (AUDITOR, HEAD):
        await world.sign_in(email)
    with pytest.raises(Refused, match="forbidden"):
        await alma_scans.ask(world.services, await world.visitor(AUDITOR), PLACE)
    with pytest.raises(Refused, match="validation"):
        await alma_scans.ask(world.services, await world.visitor(HEAD), "esploro-sandbox")
    asked = await alma_scans.ask(world.services, await world.visitor(HEAD), PLACE)
    assert (await newest(world)).state == "waiting"
    with pytest.raises(Refused, match="scan-under-way"):
        await alma_scans.ask(world.services, await world.visitor(HEAD), PLACE)
    alma.users += [user(f"p{n:04}", f"Anna{n}", "Meier") for n in range(150)]
    seen: list[ScanRow] = []

    async def look(_: float) -> None:
        seen.append(await newest(world))

    alma.faults, alma.faults_at = [429, 429], "offset=95&"
    await alma_scans.sweep(world.services, rest=look)
    assert [(each.state, each.users, each.total) for each in seen] == [("running", 100, 154)] * 2
    assert (await newest(world)).id == asked
    assert (await newest(world)).users == 154


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_scan_whose_worker_fell_silent_is_taken_over_and_recorded_once(enrolled: World, alma: Alma) -> None:
    world = enrolled
    await alma_scans.ask(world.services, await world.visitor(HEAD), PLACE)
    fell_silent, waits = asyncio.Event(), asyncio.Event()
    alma.faults = [429]

    async def fall_silent(_: float) -> None:
        fell_silent.set()
        await waits.wait()

    silent = asyncio.create_task(alma_scans.sweep(world.services, rest=fall_silent))
    await fell_silent.wait()
    world.skip(timedelta(minutes=21))
    assert await alma_scans.sweep(world.services, rest=Rest()) == 1
    waits.set()
    with pytest.raises(Exception, match="taken over"):
        await silent
    assert len([each for each in await trail(world) if each.type == "scan.completed"]) == 1


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def of_file(world: World, text: str) -> scans.Scanned:
    world.skip(timedelta(minutes=1))
    reading = scans.reading("text/csv")
    await scans.read_file(reading, pieces(text.encode()))
    read = scans.finish_file(reading, PLACE)
    return await scans.complete(world.services, WORKER, CODE, read, asked_by="worker")


HEADER = "primary_id,first_name,last_name,full_name,record_type,account_type,status,roles\n"


async def test_a_broken_row_is_told_and_nothing_is_closed_by_such_a_file(enrolled: World) -> None:
    world = enrolled
    done = await of_file(world, HEADER + "exl_impl,,,Staff Ex Libris,,,,\nx1,Ex,Libris,,,,,\n")
    assert (len(done.opened), done.broken) == (1, 0)
    done = await of_file(world, HEADER + "exl_impl,,,Staff Ex Libris,,,,\nbroken\nx2,Ex,Libris,,,,,\n")
    assert (len(done.opened), done.closed, [each.line for each in done.lines]) == (1, (), [3])
    done = await of_file(world, HEADER + "exl_impl,,,Staff Ex Libris,,,,\n")
    assert len(done.closed) == 2
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_two_scans_at_once_open_each_finding_once(enrolled: World) -> None:
    text = HEADER + "exl_impl,,,Staff Ex Libris,,,,\nx1,Ex,Libris,,,,,\n"
    done: list[Any] = await asyncio.gather(*(of_file(enrolled, text) for _ in range(4)))
    assert sorted(len(each.opened) for each in done) == [0, 0, 0, 1]
