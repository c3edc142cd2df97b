"""What operators watch, measured: ages and counts that the database tells, kept a few seconds for whoever asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.actions.health import rolled_back
from app.actions.services import Services
from app.domain.errors import Unavailable
from app.domain.times import parse_stamp
from app.storage import measures, nodes
from app.storage.database import Transaction
from app.storage.heads import HeadStoreError
from app.storage.measures import Pile
from app.trail import canonical

KEPT_S = 5.0


@dataclass(frozen=True, slots=True)
class Age:
    """How many of a kind there are, and how old the oldest is, in seconds."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One reading. `requests` by status, `deliveries` by `mail` and `webhook`, `sessions` by state, `entries` by log,
    `behind` by witness and why. Seconds are 0 where nothing waits. `rolled_back` is null where the store of heads is in
    doubt.
    """

    requests: Mapping[str, Age]
    clock_overdue_s: float
    deliveries: Mapping[str, Age]
    sessions: Mapping[str, int]
    entries: Mapping[str, int]
    unpublished_s: float
    unwitnessed: Age
    behind: Mapping[tuple[str, str], int]
    rolled_back: int | None


@dataclass(slots=True)
class Gauges:
    """The last reading of one process. Null: the database did not answer."""

    services: Services
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _last: tuple[float, Measured | None] | None = None

    async def read(self) -> Measured | None:
        """A reading of the last few seconds; those who ask meanwhile wait for the one that is being made."""
        async with self._lock:
            if self._last is None or time.monotonic() - self._last[0] > KEPT_S:
                self._last = time.monotonic(), await measure(self.services)
            return self._last[1]


async def measure(services: Services) -> Measured | None:
    """A fresh reading; null where the database does not answer."""
    try:
        async with services.database.read() as tx:
            sizes = await nodes.sizes(tx)
            told = await _measure(tx, await tx.now(), {log: size for log, _, size in sizes})
    except Unavailable:
        return None
    try:
        return replace(told, rolled_back=len(await rolled_back(services, sizes)))
    except HeadStoreError:
        return told


async def _measure(tx: Transaction, now: datetime, entries: Mapping[str, int]) -> Measured:
    waiting = {name: await measures.waiting(tx, webhooks=name == "webhook") for name in ("mail", "webhook")}
    first = [_at(leaf) for _, leaf in await measures.unwitnessed(tx)]
    return Measured(
        requests={status: _age(pile, now) for status, pile in (await measures.living_requests(tx)).items()},
        clock_overdue_s=_since(await measures.clock_due(tx), now),
        deliveries={name: Age(0, 0) if pile is None else _age(pile, now) for name, pile in waiting.items()},
        sessions=await measures.living_sessions(tx),
        entries=entries,
        unpublished_s=_since(await measures.unpublished_since(tx), now),
        unwitnessed=Age(len(first), _since(min(first, default=None), now)),
        behind={
            (each.vkey.partition("+")[0], problem): count
            for each in await measures.behind(tx)
            for problem, count in (each.logs or {"waiting": 0}).items()
        },
        rolled_back=None,
    )


def _age(pile: Pile, now: datetime) -> Age:
    return Age(pile.count, _since(pile.since, now))


def _since(instant: datetime | None, now: datetime) -> float:
    """Seconds since an instant; 0 where there is none, or it is still to come."""
    return 0.0 if instant is None else max(0.0, (now - instant).total_seconds())


def _at(leaf: bytes) -> datetime:
    entry = canonical.decode(leaf)
    assert isinstance(entry, dict)
    return parse_stamp(str(entry["at"]))
