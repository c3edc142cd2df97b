"""Objects of recordings that no row names: what a process that was killed in the middle of an upload left behind.

A part's object is put before its row is committed, so between the two there is an object without a row, for moments.
One that is older than a day was given up by its sender, or sent again under another key, and is removed. Nothing is
removed of a log that is in doubt (rolled back, say: its entries may come back and name it), nor where the trail tells
of a part whose row is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from app.actions.ledger import write
from app.actions.recordings import place_of
from app.actions.services import Services
from app.storage import entries, recordings
from app.storage.database import Transaction
from app.storage.entries import LeafFilter

AGE = timedelta(days=1)
_PAGE = 1000


async def sweep(services: Services) -> int:
    """Remove the objects without a row that are older than `AGE`; how many. Raises `Unavailable`."""
    async with services.database.read() as tx:
        before = await tx.now() - AGE
        known = set(await recordings.logs(tx))
    removed = 0
    async for keys in services.objects.older(before):
        for log, group in groupby(sorted(keys), key=lambda key: key.partition("/")[0]):
            if log in known:
                removed += await _sweep(services, log, list(group))
    return removed


async def _sweep(services: Services, log: str, keys: Sequence[str]) -> int:
    async with services.database.read() as tx:
        named = await recordings.named(tx, log, keys)
    left = [key for key in keys if key not in named]
    if not left:
        return 0
    async with write(services, log) as book:  # a log in doubt raises here
        named = await recordings.named(book.tx, log, left)
        orphans = [key for key in left if key not in named and not await _missed(book.tx, log, key)]
    for key in orphans:
        await services.objects.delete(key)
    return len(orphans)


async def _missed(tx: Transaction, log: str, key: str) -> bool:
    """Whether the trail tells of the part while no row does: then this may be its only copy."""
    place = place_of(key)
    if place is None or await recordings.read(tx, log, *place) is not None:
        return False
    session, n = place
    wanted = LeafFilter(type="session.part_added", subject=session)
    while page := await entries.find(tx, log, wanted, _PAGE):
        if any(each.entry.data["n"] == n for each in page):
            return True
        wanted = LeafFilter(page[-1].entry.index + 1, type="session.part_added", subject=session)
    return False
