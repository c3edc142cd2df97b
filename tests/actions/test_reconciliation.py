"""Sign-ins given by clients and people: matched, found once, kept as evidence; and a verifier that does it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
import sqlalchemy as sa

from app.actions import decisions, findings, reconciliation, session_calls
from app.actions.ledger import write
from app.actions.reconciliation import Given, Reconciled
from app.actions.signin import Visitor
from app.domain.errors import Refused
from app.domain.events import Event
from app.domain.reconciliation import SignIn
from app.domain.sign_in_extract import Extract
from app.storage import entries, tables
from app.storage import sign_ins as rows
from app.tokens.clients import Caller
from tests.actions.watching import approved, opened
from tests.actions.worlds import AUDITOR, CODE, HEAD, WHERE, Configure, World

PLACE = "alma-production"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def configure() -> Configure:
    return lambda text: text.replace('scopes = ["', 'scopes = ["accounts", "')


def sign_in(at: datetime, ip: str | None = WHERE.ip, account: str = "exl_impl") -> SignIn:
    return SignIn(account, (at,), ip, "success")


def given(world: World, sign_ins: Sequence[SignIn], **changes: Any) -> Given:
    """Records of the day before, up to now."""
    now = world.now()
    keyed = {each.key(): each for each in sign_ins}
    digest = "sha256:" + sha256(repr(sign_ins).encode()).hexdigest()
    made = Given(PLACE, now - timedelta(days=1), now, "vendor", keyed, digest, len(sign_ins))
    return replace(made, **changes)


async def give(world: World, sign_ins: Sequence[SignIn], **changes: Any) -> Reconciled:
    return await reconciliation.reconcile(world.services, world.caller, CODE, given(world, sign_ins, **changes))


async def session(world: World, length: timedelta = 20 * MINUTE) -> tuple[datetime, datetime]:
    """A session that was open so long, and is over; when it was."""
    opened_id = await opened(world)
    begins = world.now()
    world.skip(length)
    await session_calls.end(world.services, world.caller, opened_id, "Done.")
    ends = world.now()
    return begins, ends


async def mails(world: World) -> dict[str, int]:
    """How many mails of findings each person was sent; the vendor's people are no people of the log."""
    async with world.services.database.read() as tx:
        queued = await entries.find(tx, CODE, entries.LeafFilter(type="mail.queued"), 1_000)
    kept = [each.entry.data["to"] for each in queued if each.entry.data["kind"] == "finding"]
    return dict(Counter(person for people in kept for person in people))


async def approvers(world: World) -> dict[str, int]:
    people = (await world.institution()).people.values()
    return {each.id: 1 for each in people if "approver" in each.roles}


async def problems(world: World) -> set[str]:
    report = await world.verify(await world.bundle())
    return {each.code for each in report.findings}


async def test_of_a_thousand_sign_ins_exactly_the_ten_outside_any_window_are_found_once(enrolled: World) -> None:
    world = enrolled
    spans = []
    for _ in range(3):
        spans.append(await session(world))
        world.skip(30 * MINUTE)
    inside = [sign_in(begins + (ends - begins) * n / 330) for n in range(330) for begins, ends in spans]
    edges = [sign_in(begins - timedelta(seconds=59)) for begins, _ in spans]
    edges += [sign_in(ends + timedelta(seconds=59)) for _, ends in spans]
    outside = [sign_in(begins - timedelta(seconds=61 + n), None) for n in range(3) for begins, _ in spans]
    outside.append(sign_in(spans[0][1] + timedelta(seconds=90)))
    everything = [*inside[6:], *edges, *outside]
    assert len(everything) == 1_000 - 6 + 6
    found = await give(world, everything)
    assert (found.records, found.matched, len(found.opened)) == (1_000, 990, 10)
    again = await give(world, everything[::-1])
    assert (again.records, again.matched, again.opened) == (1_000, 990, ())
    mailed = await mails(world)
    assert mailed == await approvers(world) | mailed
    assert all(count == 1 for count in mailed.values())  # one mail a reader for all ten, and none for what came again
    listed = await findings.page(world.services, world.caller, CODE, 200, None)
    assert {each.row.id for each in listed} == set(found.opened)
    assert {each.row.kind for each in listed} == {"sign-in-unmatched"}
    assert all("No session was open." in (each.what or "") for each in listed)
    async with world.services.database.read() as tx:
        kept = await rows.of_environment(tx, CODE, PLACE, datetime(2000, 1, 1, tzinfo=UTC), world.now(), 2_000)
    assert sorted({each.confidence or "" for each in kept}) == ["", "high", "medium"]
    assert {each.finding for each in kept if each.session is None} == set(found.opened)
    assert await problems(world) == set()


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_sign_in_belongs_to_its_environment_its_account_and_its_grant(enrolled: World) -> None:
    world = enrolled
    request = await approved(world)
    opened_id = await opened(world, request)
    begins = world.now()
    world.skip(5 * MINUTE)
    assert (await give(world, [sign_in(world.now())])).matched == 1
    assert len((await give(world, [sign_in(begins)], environment="esploro-sandbox")).opened) == 1
    others = await give(world, [sign_in(begins, account="exl_support"), sign_in(begins, account="exl_api")])
    assert others.matched == 0
    kinds = {each.row.id: each.row.kind for each in await findings.page(world.services, world.caller, CODE, 9, None)}
    assert [kinds[each] for each in others.opened] == ["sign-in-unmatched", "api-account-staff"]
    await decisions.revoke(world.services, await world.visitor(HEAD), request, "")
    world.skip(2 * MINUTE)
    late = await give(world, [sign_in(world.now()), sign_in(world.now() - 90 * timedelta(seconds=1))])
    assert (late.matched, len(late.opened)) == (1, 1)
    assert opened_id
    assert await problems(world) == set()


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_session_that_somebody_wrote_into_the_database_covers_nothing(enrolled: World) -> None:
    world = enrolled
    begins, _ = await session(world)
    world.skip(60 * MINUTE)
    async with world.services.database.begin() as tx:
        earlier = sa.update(tables.sessions).values(opened_at=begins - timedelta(hours=3))
        await tx.connection.execute(earlier)
    assert (await give(world, [sign_in(begins - timedelta(hours=2))])).matched == 0
    assert await problems(world) == set()


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_days_left_out_are_found_and_closed_when_their_records_come(enrolled: World) -> None:
    world = enrolled
    start = datetime(2026, 10, 23, 22, tzinfo=UTC)  # midnight in Vienna; the clock is set back on the 25th
    day = timedelta(days=1)
    await give(world, [], begins=start, ends=start + day)
    assert await findings.page(world.services, world.caller, CODE, 9, None) == []
    after = start + 3 * day + timedelta(hours=1)
    await give(world, [], begins=after, ends=after + day)
    told = await findings.page(world.services, world.caller, CODE, 9, None)
    assert sorted((each.row.kind, (each.what or "")[-11:]) for each in told) == [
        ("day-not-reconciled", "2026-10-25."),
        ("day-not-reconciled", "2026-10-26."),
    ]
    await give(world, [], begins=start + day, ends=start + 2 * day + timedelta(hours=1))
    states = sorted(each.row.state for each in await findings.page(world.services, world.caller, CODE, 9, None))
    assert states == ["closed", "open"]
    await give(world, [], begins=start, ends=after + day)
    states = [each.row.state for each in await findings.page(world.services, world.caller, CODE, 9, None)]
    assert states == ["closed", "closed"]
    assert await problems(world) == set()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown environment": ({"environment": "primo"}, "environment-unknown"),
    "no period": ({"begins": datetime(2027, 1, 1, tzinfo=UTC), "ends": datetime(2027, 1, 1, tzinfo=UTC)}, "validation"),
    "too long": ({"begins": datetime(2020, 1, 1, tzinfo=UTC)}, "validation"),
}


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_records_of_which_some_cannot_be_read_make_no_day_reconciled(enrolled: World) -> None:
    world, day = enrolled, timedelta(days=1)
    now = world.now()
    await give(world, [], begins=now - 6 * day, ends=now - 5 * day)
    await give(world, [], begins=now - 2 * day, ends=now - day)

    async def missing() -> int:
        listed = await findings.page(world.services, world.caller, CODE, 50, None)
        return sum(each.row.kind == "day-not-reconciled" and each.row.state != "closed" for each in listed)

    left_out = await missing()
    assert left_out > 0
    whole = {"begins": now - 6 * day, "ends": now - day}
    stray = sign_in(now - 3 * day)
    assert len((await give(world, [stray], **whole, broken=1, unread=1)).opened) == 1  # what can be read is used
    assert await missing() == left_out
    await give(world, [stray], **whole, broken=1)
    assert await missing() == 0
    assert await problems(world) == set()


async def test_what_cannot_be_judged_changes_nothing(enrolled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = enrolled
    for name, (changes, problem) in REFUSED.items():
        with pytest.raises(Refused, match=problem):
            await give(world, [sign_in(world.now())], **changes)
        assert name
    monkeypatch.setattr(reconciliation, "MAX_UNMATCHED", 2)
    with pytest.raises(Refused, match="validation"):
        await give(world, [sign_in(world.now() - n * MINUTE) for n in range(3)])
    callers: list[tuple[Caller | Visitor, str]] = [
        (Caller("other", world.client, frozenset({"requests"}), frozenset({"*"}), frozenset()), "insufficient-scope"),
        (Caller("other", world.client, frozenset({"accounts"}), frozenset({"02EXU"}), frozenset()), "not-found"),
        (await world.visitor(AUDITOR), "forbidden"),
    ]
    for who, problem in callers:
        with pytest.raises(Refused, match=problem):
            await reconciliation.reconcile(world.services, who, CODE, given(world, []))
    async with world.services.database.read() as tx:
        assert await rows.reconciled(tx, CODE, PLACE) == []
    assert await findings.page(world.services, world.caller, CODE, 9, None) == []


async def lie(world: World, sign_ins: Sequence[SignIn], *, matched: int, kept: bool = True) -> None:
    """A reconciliation that opens nothing, whatever it saw."""
    told = given(world, sign_ins)
    actor, blobs = (await world.visitor(HEAD)).actor, reconciliation.extracted(told)
    async with write(world.services, CODE) as book:
        await reconciliation._tell(book, actor, told, matched, blobs)
        if not kept:
            (entry,) = book.gathered
            book.gathered.clear()
            data = {**entry.entry.data, "evidence": []}
            book.add(Event("sign_ins.reconciled", CODE, entry.entry.actor, data))
        await book.append()


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "matched,kept,code",
    [(0, True, "reconciled-untrue"), (1, True, "reconciled-untrue"), (0, False, "reconciled-form")],
)
async def test_a_reconciliation_that_leaves_out_what_it_saw_is_found(
    enrolled: World, matched: int, kept: bool, code: str
) -> None:
    await lie(enrolled, [sign_in(enrolled.now() - MINUTE)], matched=matched, kept=kept)
    assert await problems(enrolled) == {code}


def test_the_extract_keeps_what_it_was_given_however_many_parts_it_has() -> None:
    at = datetime(2026, 11, 14, 1, 41, tzinfo=UTC)
    many = tuple(sign_in(at + n * MINUTE) for n in range(3_001))
    whole = Extract(PLACE, at, at + 3_001 * MINUTE, "vendor", "sha256:" + "ab" * 32, 9, 1, many)
    parts = list(whole.parts())
    assert [len(part.sign_ins) for part in parts] == [1_500, 1_500, 1]
