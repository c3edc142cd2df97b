from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
import sqlalchemy as sa

from app.domain.errors import CatalogueError, Unavailable
from app.domain.events import WORKER, Event
from app.domain.ids import new_id
from app.storage import entries, leaves, nodes, tables
from app.storage.database import Database
from app.trail import canonical
from app.trail.hashing import fold, leaf_hash, node_hash
from app.trail.proofs import ProofError, verify_consistency, verify_inclusion
from tests.storage.conftest import Urls
from tests.storage.worlds import CODE, ORIGIN, at, open_trail, refusal, reminder

REQUEST = new_id("req", at())


def naive_root(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is written."""
    if len(hashes) < 2:
        return hashes[0] if hashes else fold([])
    middle = 1
    while middle * 2 < len(hashes):
        middle *= 2
    return node_hash(naive_root(hashes[:middle]), naive_root(hashes[middle:]))


async def _append(database: Database, *events: Event) -> leaves.Head:
    async with database.begin() as tx:
        head, _ = await leaves.append(tx, await leaves.lock(tx, CODE), events)
    return head


async def test_log_that_exists_is_not_opened_again(database: Database) -> None:
    await open_trail(database)
    await _append(database, refusal())
    with pytest.raises(leaves.LogExists):
        await open_trail(database)
    async with database.read() as tx:
        assert (await nodes.snapshot(tx, CODE))[1].size == 1


async def test_log_that_is_not_there_cannot_be_locked(database: Database) -> None:
    with pytest.raises(KeyError):
        async with database.begin() as tx:
            await leaves.lock(tx, CODE)


async def test_what_is_appended_reads_back_byte_for_byte(database: Database) -> None:
    await open_trail(database)
    async with database.begin() as tx:
        head, stored = await leaves.append(tx, await leaves.lock(tx, CODE), [refusal(), reminder(REQUEST)])
    async with database.read() as tx:
        assert await entries.read_leaves(tx, CODE, 0, 9) == stored
        assert await nodes.snapshot(tx, CODE) == (ORIGIN, head.edge)
    first, second = stored
    assert first.private is not None
    assert first.entry.private == canonical.sha(first.private)
    assert second.private is None
    assert first.entry.at == second.entry.at == head.last_at
    assert head.edge.root() == naive_root([leaf_hash(each.leaf) for each in stored])


async def test_event_that_is_not_of_the_catalogue_stores_nothing(database: Database) -> None:
    await open_trail(database)
    with pytest.raises(CatalogueError):
        await _append(database, refusal(), Event("request.vanished", REQUEST, WORKER, {}))
    async with database.read() as tx:
        assert (await nodes.snapshot(tx, CODE))[1].size == 0


async def test_an_entry_that_nobody_appended_puts_the_log_in_doubt(database: Database) -> None:
    await open_trail(database)
    head = await _append(database, refusal(1))
    async with database.begin() as tx:
        columns = [column for column in tables.leaves.c if column.name != "idx"]
        copied = sa.select(sa.literal(head.size), *columns).where(tables.leaves.c.idx == head.size - 1)
        await tx.connection.execute(
            sa.insert(tables.leaves).from_select(["idx", *(column.name for column in columns)], copied)
        )
    with pytest.raises(Unavailable, match="its head does not count"):
        await _append(database, refusal(2))


async def test_many_writers_leave_one_gapless_log_whose_root_is_the_naive_one(database: Database) -> None:
    await open_trail(database)

    async def write(n: int) -> None:
        for size in (1, 3, 2):
            await _append(database, *(refusal(n) for _ in range(size)))

    await asyncio.gather(*(write(n) for n in range(50)))
    async with database.read() as tx:
        stored = await entries.read_leaves(tx, CODE, 0, 1000)
        _, edge = await nodes.snapshot(tx, CODE)
    assert [each.entry.index for each in stored] == list(range(300))
    assert edge.size == 300
    assert edge.root() == naive_root([leaf_hash(each.leaf) for each in stored])
    times = [each.entry.at for each in stored]
    assert times == sorted(times)


async def test_proofs_of_every_kind_of_place_verify(database: Database) -> None:
    await open_trail(database)
    for size in (1, 254, 1, 300, 2):
        await _append(database, *(refusal(n) for n in range(size)))
    async with database.read() as tx:
        hashes = [leaf_hash(each.leaf) for each in await entries.read_leaves(tx, CODE, 0, 1000)]
        for size in (1, 2, 255, 256, 257, 512, 558):
            for index in {0, size // 2, size - 1}:
                proof = await nodes.inclusion_proof(tx, CODE, index, size)
                verify_inclusion(index, size, hashes[index], proof.hashes, naive_root(hashes[:size]))
            consistency = await nodes.consistency_proof(tx, CODE, size, 558)
            assert consistency.root == naive_root(hashes)
            verify_consistency(size, 558, naive_root(hashes[:size]), naive_root(hashes), consistency.hashes)
            assert (await nodes.edge_at(tx, CODE, size)).root() == naive_root(hashes[:size])
        with pytest.raises(ProofError):
            await nodes.inclusion_proof(tx, CODE, 0, 559)


async def test_tiles_of_level_one_become_rows(database: Database) -> None:
    await open_trail(database)
    many = [reminder(REQUEST, n) for n in range(4096)]
    for _ in range(16):
        await _append(database, *many)
    await _append(database, refusal())
    async with database.read() as tx:
        proof = await nodes.inclusion_proof(tx, CODE, 12_345, 65_537)
        (leaf,) = await entries.read_leaves(tx, CODE, 12_345, 12_346)
        _, edge = await nodes.snapshot(tx, CODE)
    verify_inclusion(12_345, 65_537, leaf_hash(leaf.leaf), proof.hashes, edge.root())


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.second = 100

    def __call__(self) -> datetime:
        return at(self.second)


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def timed(urls: Urls, database: Database, clock: Clock) -> AsyncIterator[Database]:
    timed = Database(urls.app, clock=clock)
    await open_trail(timed)
    yield timed
    await timed.close()


async def test_clock_that_steps_back_is_held_at_the_last_entry(timed: Database, clock: Clock) -> None:
    await _append(timed, refusal())
    clock.second = 99
    async with timed.begin() as tx:
        head = await leaves.lock(tx, CODE)
        assert (head.at, head.clock_ahead) == (at(100), False)
    clock.second = 97
    async with timed.begin() as tx:
        head = await leaves.lock(tx, CODE)
        assert (head.at, head.clock_ahead) == (at(100), True)
        _, (stored,) = await leaves.append(tx, head, [refusal()])
        assert stored.entry.at == at(100)


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_clock_is_read_after_the_wait_for_the_lock(database: Database) -> None:
    await open_trail(database)
    asked = asyncio.Event()

    async def second() -> leaves.Head:
        async with database.begin() as tx:
            await tx.now()
            asked.set()
            return await leaves.lock(tx, CODE)

    async with database.begin() as tx:
        await leaves.lock(tx, CODE)  # held without a change: the waiter's row is not read again
        waiting = asyncio.create_task(second())
        await asked.wait()
        await asyncio.wait([waiting], timeout=0.2)
        assert not waiting.done()
        released = await tx.now()
    assert (await waiting).at >= released


async def test_entries_about_a_request_are_its_own_and_everything_of_the_institution(database: Database) -> None:
    await open_trail(database)
    other = new_id("req", at(1))
    mail = {"about": REQUEST, "kind": "request", "message_id": "sha256:" + "0" * 64, "to": []}
    opened = {"grant": new_id("grt", at()), "jti": "j", "request": REQUEST, "engineer_proved": False, "evidence": []}
    session = new_id("ses", at())
    exported = {"format": "bundle", "from": 0, "to": 8, "request": other, "with_private": False}
    await _append(
        database,
        reminder(REQUEST),
        reminder(other),
        Event("mail.queued", CODE, WORKER, mail),
        refusal(),
        Event("session.opened", session, WORKER, opened, {"ip": "192.0.2.1", "user_agent": ""}),
        Event("session.resumed", session, WORKER, {"gap_s": 1}),
        Event("stop_code.used", CODE, WORKER, {"revoked": []}, {"ip": "192.0.2.1"}),
        Event("trail.exported", CODE, refusal().actor, exported),
    )
    async with database.read() as tx:
        assert [each.entry.index for each in await entries.entries_about(tx, CODE, REQUEST)] == [0, 2, 4, 5, 6, 7]
        assert [each.entry.index for each in await entries.entries_of(tx, CODE, REQUEST)] == [0, 2, 4]
        page = await entries.find(tx, CODE, entries.LeafFilter(start=1, type="request.reminded"), 5)
        assert [each.entry.index for each in page] == [1]
        chunks = [chunk async for chunk in entries.stream(tx, CODE, 0, 8)]
        assert [each.entry.index for chunk in chunks for each in chunk] == list(range(8))
