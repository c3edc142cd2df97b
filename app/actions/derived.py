"""Derived views of a trail: rows for other programs, streamed. Like every export, each is an entry first.

Leaves never change, so each piece is read in a transaction of its own: a slow reader holds no connection and no
snapshot, and memory stays what one piece needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from importlib import import_module
from importlib.util import find_spec

from app.actions.export import Asked, Download, Exported, export, record
from app.actions.services import Services
from app.actions.signin import Visitor
from app.audit.rows import FORMS, End, Row, View
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor
from app.storage import entries
from app.storage.database import Transaction
from app.storage.entries import LeafFilter
from app.tokens.clients import Caller

ROWS = 1_000
"""How many rows are read at once."""


async def take(services: Services, who: Caller | Visitor | Actor, code: str, asked: Asked) -> Download:
    """The export asked for: a bundle, or the entries of a range (those of one request, where one is named) as rows.

    Private parts are in rows by the rule of bundles. Raises `Refused`: not-found (also for a trail that is not the
    caller's), forbidden, validation for a form that is not built or a range that cannot be.
    """
    if asked.form == "bundle":
        if (asked.start, asked.stop) != (0, None):
            raise Refused(Refusal.of_field("/from", "A bundle runs from entry 0 to its own; leave out from and to."))
        return await export(services, who, code, asked.request)
    view = _view(asked.form)
    exported = await record(services, who, code, asked)
    return Download(exported.filename, view.media_type, _pieces(services, exported, view))


def rows_of(services: Services, exported: Exported) -> AsyncIterator[bytes]:
    """The entries of an export that is recorded, as JSON Lines."""
    return _pieces(services, exported, FORMS["jsonl"])


def offers_parquet() -> bool:
    """Whether this service was set up to make Parquet."""
    return find_spec("pyarrow") is not None


def _view(form: str) -> View:
    """A new view of this form. Raises `Refused` validation."""
    if form == "parquet" and offers_parquet():
        made: View = import_module("app.audit.parquet").ParquetView()
        return made
    if form == "parquet":
        raise Refused(Refusal.of_field("/format", "This service was set up without Parquet; ask for jsonl or csv."))
    if form not in FORMS:
        raise Refused(Refusal.of_field("/format", f"Ask for bundle, parquet, {' or '.join(FORMS)}."))
    return FORMS[form]


async def _pieces(services: Services, exported: Exported, view: View) -> AsyncIterator[bytes]:
    if head := view.head:
        yield head
    count = 0
    async with aclosing(_ahead(_chunks(services, exported))) as chunks:
        async for rows in chunks:
            count += len(rows)
            if made := await asyncio.to_thread(view.rows, rows):
                yield made
    yield view.end(End(count, exported.start, exported.stop, exported.request, exported.private))


async def _ahead(chunks: AsyncGenerator[Sequence[Row]]) -> AsyncGenerator[Sequence[Row]]:
    """The same; while one is worked on, or waits for a slow reader, the next is read, and no more."""

    async def following() -> Sequence[Row]:
        async for rows in chunks:
            return rows
        return ()

    async with aclosing(chunks):
        reading = asyncio.create_task(following())
        try:
            while rows := await reading:
                reading = asyncio.create_task(following())
                yield rows
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _chunks(services: Services, exported: Exported) -> AsyncGenerator[Sequence[Row]]:
    start, stop = exported.start, exported.stop
    while start < stop:
        async with services.database.glance() as tx:
            rows = await _read(tx, exported, start)
        if not rows:
            return
        yield rows
        start = rows[-1][0] + 1


async def _read(tx: Transaction, exported: Exported, start: int) -> Sequence[Row]:
    """The next rows of the export, from `start` on; none after the last."""
    private = exported.private
    if exported.request is None:
        return await entries.read_rows(tx, exported.code, start, min(start + ROWS, exported.stop), private=private)
    wanted = LeafFilter(start, exported.stop, request=exported.request)
    stored = await entries.find(tx, exported.code, wanted, ROWS)
    return [(each.entry.index, each.leaf, each.private if private else None) for each in stored]
