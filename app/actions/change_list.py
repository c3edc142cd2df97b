"""Changes of an institution as vendor systems see them: those that wait point by point, others by how they ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.actions.administration import admit, judge_scope
from app.actions.change_mails import around
from app.actions.cursors import cursor_of, open_cursor
from app.actions.judging import loosening_of
from app.actions.ledger import NOT_FOUND
from app.actions.proposals import Waiting, waiting
from app.actions.services import Services
from app.domain import change_text
from app.domain.change_text import Point
from app.domain.errors import Refused
from app.domain.events import WORKER
from app.domain.institution import CHANGE_LIFE, Institution
from app.storage import entries, institutions
from app.storage import proposals as rows
from app.storage.database import Transaction
from app.storage.institutions import InstitutionRow
from app.storage.proposals import ProposalRow
from app.tokens.clients import Caller

_UNTOLD = frozenset({"email", "notify"})


@dataclass(frozen=True, slots=True)
class ListedChange:
    """One change. `state`: waiting, applied, rejected or lapsed; `by`: a display name, or an id of no person.

    `points`, `title` and `loosens` are those of one that waits; no address stands among them.
    """

    id: str
    type: str
    subject: str
    state: str
    by: str
    at: datetime
    lapses_at: datetime | None
    title: str | None
    loosens: bool | None
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, newest first; `next_cursor` is null on the last."""

    items: tuple[ListedChange, ...]
    next_cursor: str | None


async def find(services: Services, caller: Caller, code: str, limit: int, cursor: str | None) -> Page:
    """A page of an institution's changes. Raises `Refused`: not-found, insufficient-scope, validation."""
    admit(caller, code)
    async with services.database.read() as tx:
        row = await institutions.read(tx, code)
        if row is None:
            raise Refused(NOT_FOUND)
        judge_scope(caller)
        found = await rows.find(tx, code, limit + 1, open_cursor(cursor, "chg"))
        known, state = await around(tx, row), Institution.from_data(row.state)
        proposals = await waiting(tx, state)
        items = [await _listed(tx, row, state, each, proposals, known) for each in found[:limit]]
    return Page(tuple(items), cursor_of(items[-1].id) if len(found) > limit else None)


async def _listed(
    tx: Transaction,
    institution: InstitutionRow,
    state: Institution,
    row: ProposalRow,
    proposals: Waiting,
    known: change_text.Around,
) -> ListedChange:
    entry = (await entries.read_leaves(tx, row.log, row.idx, row.idx + 1))[0].entry
    proposal = proposals.get(row.id)
    wanted = None if proposal is None else proposal.wanted
    named = known.people.get(entry.actor.id)
    points = () if wanted is None else change_text.points(state, wanted, known)
    loosens = None if proposal is None else loosening_of(state, institution, proposal.event(WORKER))
    return ListedChange(
        id=row.id,
        type=entry.data["type"],
        subject=entry.data["subject"],
        state=row.outcome or "waiting",
        by=entry.actor.id if named is None else named[0],
        at=entry.at,
        lapses_at=entry.at + CHANGE_LIFE if row.outcome is None else None,
        title=None if wanted is None else change_text.title(state, wanted, known, _UNTOLD),
        loosens=loosens,
        points=tuple(point for point in points if point.name not in _UNTOLD and "@" not in f"{point.now}{point.after}"),
    )
