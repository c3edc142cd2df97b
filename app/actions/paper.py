"""Evidence reports: one request, or the entries of a time, on paper, with the very entries inside as JSON Lines.

So a report is an export of rows that can also be read, and leaves the entry that such an export leaves.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec

from app.actions import checkpoints
from app.actions.derived import rows_of
from app.actions.export import Asked, Exported, record
from app.actions.request_evidence import RequestEvidence, request_evidence
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.trail import admit
from app.actions.trailview import State, state_of
from app.actions.views import RequestView, views
from app.domain.errors import Refusal, Refused
from app.domain.paper import File, Sheet
from app.domain.times import parse_stamp
from app.storage import entries, requests
from app.storage.database import Transaction
from app.storage.entries import LeafFilter

MOST = 20_000
"""Entries that one report carries."""
_MOST_REQUESTS = 500


@dataclass(frozen=True, slots=True)
class Report:
    """What a report is made of. `about`: the evidence, where it is about one request; `views`: the requests made in the
    range; `counts`: how many entries of each type; `rows`: the entries, as JSON Lines.
    """

    exported: Exported
    about: RequestEvidence | None
    views: tuple[RequestView, ...]
    counts: Mapping[str, int]
    state: State
    rows: bytes
    made_at: datetime


def offered() -> bool:
    """Whether this service was set up to make reports."""
    return find_spec("typst") is not None


async def report(services: Services, visitor: Visitor, asked: Asked) -> Report:
    """What is asked, recorded as an export. Raises `Refused`: not-found, forbidden, validation."""
    admit(visitor, visitor.code, proving=False)
    if not offered():
        raise Refused(Refusal.of_field("/as", "This service was set up without PDF; print the page."))
    about = None if asked.request is None else await request_evidence(services, visitor, asked.request)
    await _judge_size(services, visitor.code, asked)
    exported = await record(services, visitor, visitor.code, asked)
    rows = b"".join([piece async for piece in rows_of(services, exported)])
    note = await checkpoints.checkpoint(services, visitor.code)
    async with services.database.read() as tx:
        state = await state_of(tx, visitor.code, note)
        seen = await _views(tx, exported) if about is None else (about.view,)
        counts = await _counts(tx, exported)
    return Report(exported, about, seen, counts, state, rows, parse_stamp(exported.at))


async def printed(sheet: Sheet, attached: Sequence[File]) -> bytes:
    """The PDF of a report, set beside the event loop."""
    return bytes(await asyncio.to_thread(import_module("app.audit.paper").pdf, sheet, attached))


async def _judge_size(services: Services, code: str, asked: Asked) -> None:
    size = int((await checkpoints.checkpoint(services, code)).split(b"\n")[1])
    if asked.request is None and min(asked.stop or size, size) - asked.start > MOST:
        raise Refused(Refusal.of_field("/from", f"A report holds at most {MOST} entries; choose fewer days."))


async def _views(tx: Transaction, exported: Exported) -> tuple[RequestView, ...]:
    wanted = LeafFilter(exported.start, exported.stop, type="request.created")
    made = await entries.find(tx, exported.code, wanted, _MOST_REQUESTS)
    rows = await requests.read_many(tx, [each.entry.subject for each in made])
    return await views(tx, sorted(rows, key=lambda row: row.created_index), await tx.now())


async def _counts(tx: Transaction, exported: Exported) -> Mapping[str, int]:
    wanted = LeafFilter(exported.start, exported.stop, request=exported.request)
    found = await entries.find(tx, exported.code, wanted, MOST)
    return dict(sorted(Counter(each.entry.type for each in found).items()))
