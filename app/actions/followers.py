"""What all who follow access requests in one process share: the bell, reads that start after they asked, and places.

Who follows holds no database connection. All who look at once share one read, which starts after each of them came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf

from app.actions.views import RequestView, views
from app.domain.errors import Refusal, Refused
from app.storage import changes, clients, requests
from app.storage.changes import ChangeRow
from app.storage.database import Database, Transaction
from app.storage.grouped import GroupCommit, GroupedRead

PAGE = 50


@dataclass(slots=True, eq=False)
class Shown:
    """A request as it was read for everybody who asked by then. `revoked`: clients that may see nothing any more."""

    view: RequestView
    revoked: frozenset[str]
    _body: bytes | None = None
    _etag: str | None = None

    @property
    def etag(self) -> str:
        """Its entity tag, made once."""
        if self._etag is None:
            self._etag = self.view.etag
        return self._etag

    def body(self, render: Callable[[RequestView], bytes]) -> bytes:
        """What `render` makes of it, made once."""
        if self._body is None:
            self._body = render(self.view)
        return self._body


@dataclass(frozen=True, slots=True)
class Told:
    """One change of a request, with the request as it is now."""

    change: ChangeRow
    shown: Shown


@dataclass(frozen=True, slots=True)
class Page:
    """What came after a position, up to `last`; `full` where there may be more."""

    told: tuple[Told, ...]
    last: int
    full: bool
    revoked: frozenset[str]


class Followers:
    """All who follow, in this process."""

    def __init__(self, database: Database) -> None:
        self.bell = database.bell
        self.database = database
        self._open: Counter[tuple[str, str]] = Counter()
        self._requests = GroupedRead(database, _read_requests, snapshot=True)
        self._pages = GroupedRead(database, _read_pages, snapshot=True)
        self._stamps = GroupCommit(database, _stamp)

    async def read(self, request_id: str) -> Shown | None:
        """The request as it is from now on."""
        return await self._requests.get(request_id)

    async def number(self) -> None:
        """Give every change that is committed by now its position."""
        await self._stamps.put(None)

    async def page(self, position: int) -> Page:
        """What came after a position, everything committed by now included."""
        await self.number()
        return await self._pages.get(position) or Page((), position, full=False, revoked=frozenset())

    @contextmanager
    def place(self, who: str, kind: str, most: float = inf) -> Iterator[None]:
        """One of the `most` places that a client, or a visitor, has. Raises `Refused` too-many-requests."""
        key = (who, kind)
        if self._open[key] >= most:
            raise Refused(Refusal("too-many-requests", f"At most {most} {kind} of one reader at once.", retry_after=5))
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1


async def _stamp(tx: Transaction, items: Sequence[None]) -> Sequence[None]:
    while await changes.waiting(tx):
        tx.told.update(await changes.stamp(tx))
    return items


async def _read_requests(tx: Transaction, ids: Sequence[str]) -> Mapping[str, Shown]:
    rows = await requests.read_many(tx, ids)
    revoked = await _revoked(tx)
    return {view.row.id: Shown(view, revoked) for view in await views(tx, rows, await tx.now())}


async def _read_pages(tx: Transaction, positions: Sequence[int]) -> Mapping[int, Page]:
    found = {position: await changes.after(tx, position, PAGE) for position in positions}
    ids = {row.request for rows in found.values() for row in rows}
    shown = await _read_requests(tx, sorted(ids)) if ids else {}
    revoked = await _revoked(tx)
    return {
        position: Page(
            tuple(Told(row, shown[row.request]) for row in rows if row.request in shown),
            rows[-1].position if rows else position,
            len(rows) == PAGE,
            revoked,
        )
        for position, rows in found.items()
    }


async def _revoked(tx: Transaction) -> frozenset[str]:
    return frozenset(client.id for client in await clients.read_all(tx) if client.disabled)
