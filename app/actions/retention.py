"""Erasing what an institution's policy keeps no longer: private parts and evidence, each told by an entry of the same
transaction. What the service still needs is never erased (`app/domain/retention.py`); leaves never are.

What is to go is judged under the lock of the log, by a row whose seal holds: a policy changed behind the service's back
erases nothing. And by a clock that was seen to go on for a month: one that jumped years ahead erases nothing before
people had the time to notice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.actions.ledger import write
from app.actions.services import Services
from app.actions.views import VENDOR
from app.domain.errors import Unavailable
from app.domain.events import WORKER, Entry, Event
from app.domain.institution import Institution
from app.domain.retention import SUPERSEDED, InForce, kept_until
from app.domain.times import parse_stamp, stamp
from app.storage import clients, entries, institutions, nodes, requests, retention, service_meta, webhooks
from app.storage.database import Transaction
from app.storage.entries import CHUNK
from app.storage.leaves import Stored, request_of

BATCH = 800
"""How much one entry tells of at most: a leaf has 65,535 bytes, and a hash takes 74 of them."""


SETTLED = timedelta(days=30)
"""How long the clock has to have gone on without a jump before anything is erased by it."""
JUMP = timedelta(days=3)
"""What is longer than this between two looks at the clock is a jump, or the service was down: both begin anew."""
_SEEN = "clock-seen"


@dataclass(frozen=True, slots=True)
class _Over:
    """What may be erased of a log: the indexes of private parts, and the hashes of evidence, each sorted."""

    indexes: tuple[int, ...]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indexes) + len(self.digests)


async def erase_old(services: Services) -> int:
    """Erase up to `BATCH` private parts and as much evidence of each log; the most that was erased of one.

    Raises `Unavailable`; where one log is in doubt, after the others had their turn.
    """
    if not await is_settled(services):
        return 0
    async with services.database.read() as tx:
        logs = sorted({VENDOR, *await institutions.codes(tx)})
    erased, doubts = 0, []
    for log in logs:
        try:
            erased = max(erased, await _erase_old(services, log))
        except Unavailable as doubt:
            doubts.append(doubt)
    if doubts:
        raise doubts[0]
    return erased


async def is_settled(services: Services) -> bool:
    """Look at the clock, and remember it; whether it has gone on for `SETTLED` with no look far from the one before."""
    async with services.database.begin() as tx:
        now, seen = await tx.now(), await service_meta.read(tx, _SEEN)
        since = now
        if seen is not None and timedelta() <= now - parse_stamp(seen["last"]) <= JUMP:
            since = parse_stamp(seen["since"])
        await service_meta.write(tx, _SEEN, {"since": stamp(since), "last": stamp(now)})
    return now - since >= SETTLED


async def _erase_old(services: Services, log: str) -> int:
    async with services.database.read() as tx:
        row = await institutions.read(tx, log)
        if row is None or not await _over(tx, Institution.from_data(row.state), await tx.now()):
            return 0
    async with write(services, log) as book:
        book.trust_clock()
        if not await book.is_sealed():
            raise Unavailable(f"The row of {log} is not as the trail tells it; nothing of it is erased.")
        over = await _over(book.tx, book.institution, book.now)
        told: dict[str, Any] = {"because": "retention", "change": None, "evidence": []}
        if over.indexes:
            book.add(Event("private.erased", log, WORKER, told | {"indexes": list(over.indexes)}))
        if over.digests:
            book.add(Event("evidence.erased", log, WORKER, told | {"digests": list(over.digests)}))
        await book.append()
        await retention.erase(book.tx, log, over.indexes, over.digests)
    return max(len(over.indexes), len(over.digests))


async def _over(tx: Transaction, state: Institution, now: datetime) -> _Over:
    """The first of what may be erased at `now`."""
    log, years = state.code, state.policy.retention_years
    _, edge = await nodes.snapshot(tx, log)
    stop = await entries.first_where(tx, log, edge.size, lambda at: kept_until(parse_stamp(at), years) > now)
    if stop == 0:
        return _Over((), ())
    judge = _Judge(await _in_force(tx, state), years, now)
    return _Over(await _parts(tx, log, stop, judge), await _blobs(tx, log, stop, judge))


@dataclass(frozen=True, slots=True)
class _Judge:
    needs: InForce
    years: int
    now: datetime

    def lets_go(self, entry: Entry) -> bool:
        """Whether the private part and the evidence of an entry may be erased."""
        return kept_until(entry.at, self.years) <= self.now and not self.needs.is_needed(entry, request_of(entry))


async def _in_force(tx: Transaction, state: Institution) -> InForce:
    log = state.code
    superseding = [each.entry for each in await retention.of_types(tx, log, SUPERSEDED)]
    return InForce(
        institution=state,
        newest=InForce.newest_of(superseding),
        findings=await retention.open_findings(tx, log),
        webhooks=frozenset(row.id for row in await webhooks.read_all(tx)),
        clients=frozenset(row.id for row in await clients.read_all(tx) if not row.disabled),
        requests=frozenset(row.id for row in await requests.unfinished(tx, log)),
    )


async def _parts(tx: Transaction, log: str, stop: int, judge: _Judge) -> tuple[int, ...]:
    found: list[int] = []
    async for each in _pages(lambda start: retention.with_private_part(tx, log, start, stop, CHUNK)):
        if judge.lets_go(each.entry):
            found.append(each.entry.index)
            if len(found) == BATCH:
                break
    return tuple(found)


async def _blobs(tx: Transaction, log: str, stop: int, judge: _Judge) -> tuple[str, ...]:
    """Evidence goes when every entry that names it lets it go."""
    over, kept = dict[str, None](), set[str]()
    async for each in _pages(lambda start: retention.with_evidence(tx, log, start, stop, CHUNK)):
        named = each.entry.data["evidence"]
        over.update(dict.fromkeys(named)) if judge.lets_go(each.entry) else kept.update(named)
    if over:
        kept |= await retention.named_from(tx, log, stop)
    there = await retention.there(tx, log, [digest for digest in over if digest not in kept])
    return tuple(sorted(there[:BATCH]))


async def _pages(read: Callable[[int], Awaitable[list[Stored]]]) -> AsyncIterator[Stored]:
    """The entries that `read` gives, a page from an index at a time."""
    start = 0
    while page := await read(start):
        for each in page:
            yield each
        start = page[-1].entry.index + 1
