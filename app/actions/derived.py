"""Derived views of a trail: rows for other programs, streamed. Like every export, each is an entry first.

Leaves never change, so each piece is read in a transaction of its own: a slow reader holds no connection and no
snapshot, and memory stays what one piece needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
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
from app.storage.entries import CHUNK, LeafFilter
from app.tokens.clients import Caller

LINES = 4_000
"""How many lines of JSON are read at once."""


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


def _view(form: str) -> View:
    """A new view of this form. Raises `Refused` validation."""
    if form == "parquet" and find_spec("pyarrow") is not None:
        made: View = import_module("app.audit.parquet").ParquetView()
        return made
    if form == "parquet":
        raise Refused(Refusal.of_field("/format", "This service was set up without Parquet; ask for jsonl or csv."))
    if form not in FORMS:
        raise Refused(Refusal.of_field("/format", f"Ask for bundle, parquet, {' or '.join(FORMS)}."))
    return FORMS[form]


async def _pieces(services: Services, exported: Exported, view: View) -> AsyncIterator[bytes]:
    start = exported.start
    if head := view.head:
        yield head
    count = 0
    if services.database.dialect == "postgresql" and view is FORMS["jsonl"] and exported.request is None:
        async for lines in _lines(services, exported):
            yield lines
        count = exported.stop - exported.start
        exported = replace(exported, start=exported.stop)
    async for rows in _chunks(services, exported):
        count += len(rows)
        shown = rows if exported.private else [(index, leaf, None) for index, leaf, _ in rows]
        if made := await asyncio.to_thread(view.rows, shown):
            yield made
    yield view.end(End(count, start, exported.stop, exported.request, exported.private))


async def _lines(services: Services, exported: Exported) -> AsyncIterator[bytes]:
    """Lines of JSON as PostgreSQL makes them, at several times the rate of ours."""
    for start in range(exported.start, exported.stop, LINES):
        async with services.database.look() as tx:
            stop = min(start + LINES, exported.stop)
            lines = await entries.read_lines(tx, exported.code, start, stop, private=exported.private)
        yield lines


async def _chunks(services: Services, exported: Exported) -> AsyncIterator[Sequence[Row]]:
    start, stop = exported.start, exported.stop
    while start < stop:
        async with services.database.read() as tx:
            rows = await _read(tx, exported, start)
        if not rows:
            return
        yield rows
        start = rows[-1][0] + 1


async def _read(tx: Transaction, exported: Exported, start: int) -> Sequence[Row]:
    """The next rows of the export, from `start` on; none after the last."""
    if exported.request is None:
        found = await entries.read_bytes(tx, exported.code, start, min(start + CHUNK, exported.stop))
        return [(index, *each) for index, each in enumerate(found, start)]
    wanted = LeafFilter(start, exported.stop, request=exported.request)
    stored = await entries.find(tx, exported.code, wanted, CHUNK)
    return [(each.entry.index, each.leaf, each.private) for each in stored]
