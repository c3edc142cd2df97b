"""Those whom a gate turns away, counted together: whoever knocks a thousand times a second must not hold up a log.

The first refusal of its kind in a minute is an event and takes the lock of its log; those that follow are added to its
count by one statement for all that wait, without that lock. Each is told once it is committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.actions.ledger import lock
from app.actions.services import Services
from app.domain.events import Event
from app.storage import refusals
from app.storage.database import Transaction
from app.storage.grouped import GroupCommit


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A refusal: the log it is of, what makes it like others, and its event if it is the first."""

    log: str
    key: str
    event: Event


class Counter:
    """Counts refusals, for all callers of a process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._group = GroupCommit(services.database, self._write, lanes=1)

    async def add(self, refusal: TurnedAway) -> None:
        """Count a refusal, committed when this returns. Raises `Unavailable`."""
        await self._group.put(refusal)

    async def _write(self, tx: Transaction, given: Sequence[TurnedAway]) -> Sequence[None]:
        alike: dict[tuple[str, str], list[TurnedAway]] = {}
        for each in given:
            alike.setdefault((each.log, each.key), []).append(each)
        now = await tx.now()
        counted = {place: await refusals.count_more(tx, *place, len(some), now) for place, some in alike.items()}
        new = [some for place, some in alike.items() if not counted[place]]
        for log in sorted({some[0].log for some in new}):
            await self._begin(tx, log, [some for some in new if some[0].log == log])
        return [None] * len(given)

    async def _begin(self, tx: Transaction, log: str, new: Sequence[Sequence[TurnedAway]]) -> None:
        """Record the first of each kind, and count the others."""
        book = await lock(self._services, tx, log)
        for first, *others in new:
            await book.refuse(first.key, first.event)
            if others:
                await refusals.count_more(tx, log, first.key, len(others), book.now)
        await book.append()
