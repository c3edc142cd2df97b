"""Findings opened once, closed by what may close them; and a verifier that finds those left out, added or closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from app.actions import findings, reconciliation
from app.actions.finding_life import Sight, close_findings, open_findings, unseen
from app.actions.ledger import Ledger, write
from app.actions.reconciliation import Given
from app.audit.evidence import input_blob
from app.domain.errors import Refused
from app.domain.events import WORKER, Actor, Event
from app.domain.finding import UNINTENDED
from app.domain.reconciliation import SignIn
from app.domain.scan import Extract, User
from app.storage import findings as rows
from app.storage import objects
from app.storage.objects import EvidenceRow
from app.trail import canonical
from tests.actions.worlds import AUDITOR, CODE, HEAD, Configure, World

PLACE = "alma-production"
IMPL = User("exl_impl", full_name="Staff, Ex Libris", status="ACTIVE")
STRAY = User("EXL_SD", full_name="Ex Libris, Support and Development", status="ACTIVE", roles=("Cataloger",))
SIGHT = Sight(UNINTENDED, PLACE, "scan", "“Ex Libris, Support and Development” (EXL_SD): active, 1 role", ("exl_sd",))


@pytest.fixture
def configure() -> Configure:
    return lambda text: text.replace('scopes = ["', 'scopes = ["accounts", "')


async def scanned(book: Ledger, users: Sequence[User], opened: int, closed: int) -> None:
    extract = Extract(PLACE, "json", "sha256:" + "ab" * 32, len(users), 0, (), tuple(users))
    blob = input_blob("application/json", canonical.encode(extract.parts()[0]))
    digest = canonical.sha(blob)
    await objects.put(book.tx, EvidenceRow(book.code, digest, blob))
    data = {"environment": PLACE, "users": len(users), "opened": opened, "closed": closed, "evidence": [digest]}
    book.add(Event("scan.completed", book.code, WORKER, data))


async def scan(world: World, users: Sequence[User], sights: Sequence[Sight], *, lie: int = 0) -> int:
    """One honest scan, as far as `sights` are what is wrong with `users`; how many findings it opened."""
    world.skip(timedelta(minutes=1))
    async with write(world.services, CODE) as book:
        fresh = await unseen(book, sights)
        before = await rows.not_closed(book.tx, CODE, environment=PLACE, found_by="scan")
        gone = [] if sights else before
        await scanned(book, users, len(fresh) + lie, len(gone))
        await open_findings(book, WORKER, fresh)
        await close_findings(book, WORKER, gone)
        await book.append()
    return len(fresh)


async def problems(world: World) -> set[str]:
    report = await world.verify(await world.bundle())
    return {each.code for each in report.findings}


async def test_what_is_seen_again_opens_nothing_and_what_is_gone_is_closed(enrolled: World) -> None:
    world = enrolled
    assert [await scan(world, [IMPL, STRAY], [SIGHT, SIGHT]) for _ in range(2)] == [1, 0]
    found = (await findings.page(world.services, world.caller, CODE, 10, None))[0]
    assert (found.row.state, found.row.environment, found.what) == ("open", PLACE, SIGHT.what)
    await findings.explain(world.services, world.caller, CODE, found.row.id, "It is left over; we delete it.")
    with pytest.raises(Refused, match="wrong-state"):
        await findings.close(world.services, await world.visitor(HEAD), found.row.id, "")
    await scan(world, [IMPL], [])
    assert [await scan(world, [IMPL, STRAY], [SIGHT]), await scan(world, [IMPL], [])] == [1, 0]
    listed = await findings.page(world.services, world.caller, CODE, 10, None)
    assert [each.row.state for each in listed] == ["closed", "closed"]
    assert await problems(world) == set()


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_scan_that_leaves_out_or_adds_a_finding_is_found(enrolled: World) -> None:
    world = enrolled
    await scan(world, [IMPL, STRAY], [])
    assert await problems(world) == {"scan-untrue"}
    await scan(world, [IMPL, STRAY], [SIGHT])
    await scan(world, [IMPL], [SIGHT])
    await scan(world, [IMPL], [], lie=1)
    report = await world.verify(await world.bundle())
    assert [each.code for each in report.findings] == ["scan-untrue"] * 3


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_finding_closed_without_a_scan_or_opened_by_nothing_is_found(enrolled: World) -> None:
    world = enrolled
    await scan(world, [IMPL, STRAY], [SIGHT])
    world.skip(timedelta(minutes=1))
    async with write(world.services, CODE) as book:
        await close_findings(book, WORKER, await rows.not_closed(book.tx, CODE))
        await book.append()
    world.skip(timedelta(minutes=1))
    async with write(world.services, CODE) as book:
        await open_findings(book, WORKER, [SIGHT])
        await book.append()
    assert await problems(world) == {"finding-closed-unseen", "finding-unfounded"}


async def reconcile(world: World) -> str:
    """A sign-in that matched nothing, as a reconciliation tells of it."""
    world.skip(timedelta(minutes=1))
    at = world.now() - timedelta(hours=3)
    lost = SignIn("exl_impl", (at,), "203.0.113.90", "success")
    day = (at - timedelta(days=1), world.now())
    given = Given(PLACE, *day, "institution", {lost.key(): lost}, "sha256:" + "ab" * 32, 1)
    return (await reconciliation.reconcile(world.services, await world.visitor(HEAD), CODE, given)).opened[0]


async def test_the_institution_closes_what_no_scan_can_see_again(enrolled: World) -> None:
    world = enrolled
    first, second = await reconcile(world), ""
    for email, words, problem in ((AUDITOR, "It was me.", "forbidden"), (HEAD, "", "wrong-state")):
        with pytest.raises(Refused, match=problem):
            await findings.close(world.services, await world.visitor(email), first, words)
    await findings.close(world.services, await world.visitor(HEAD), first, "Our own test of the alarm.")
    second = await reconcile(world)
    await findings.explain(world.services, world.caller, CODE, second, "An engineer went around the gate.")
    await findings.close(world.services, await world.visitor(HEAD), second, "")
    with pytest.raises(Refused, match="wrong-state"):
        await findings.close(world.services, await world.visitor(HEAD), second, "")
    assert await problems(world) == set()


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_client_does_not_close_what_was_found_of_the_vendor(enrolled: World) -> None:
    world = enrolled
    finding = await reconcile(world)
    world.skip(timedelta(minutes=1))
    async with write(world.services, CODE) as book:
        book.add(Event("finding.closed", finding, Actor("client", world.client), {}))
        await book.append()
    assert await problems(world) == {"finding-closed-unseen"}
