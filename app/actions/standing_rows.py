"""The rows of standing approvals under the lock of their log, which the ledger asks too: a change of the institution
after which one does not hold ends it in the same append.

A row counts when its MAC holds and the trail tells the same of it: neither an older row nor a made up one gives ground.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.domain.errors import CountersignError
from app.domain.events import SERVICE, Entry, Event
from app.domain.institution import Institution
from app.domain.standing import StandingApproval, evolve, given
from app.domain.standing_rules import still_holds
from app.storage import entries, standing
from app.storage.database import Transaction
from app.storage.entries import LeafFilter
from app.storage.standing import StandingRow
from app.tokens.secrets import Secrets
from app.trail import canonical

LABEL = "row/standing"
_MANY = 10_000


def row_of(secrets: Secrets, log: str, state: StandingApproval) -> StandingRow:
    """The row of a standing approval, with its MAC."""
    data = state.to_data()
    mac = secrets.mac(LABEL, log, state.id, canonical.encode(data))
    return StandingRow(log, state.id, data, state.ended_because is not None, state.not_after, mac)


async def current(secrets: Secrets, tx: Transaction, row: StandingRow) -> StandingApproval | None:
    """What a row tells, where it is as this service wrote it and as the trail tells it now."""
    state = StandingApproval.from_data(row.state)
    if row != row_of(secrets, row.log, state):
        return None
    try:
        return state if await told(tx, row.log, row.id) == state else None
    except CountersignError:
        return None


async def told(tx: Transaction, log: str, standing_id: str) -> StandingApproval | None:
    """What the trail tells of a standing approval. Raises `IllegalTransition` for a trail not by the rules."""
    own = [each.entry for each in await entries.find(tx, log, LeafFilter(subject=standing_id), _MANY)]
    if not own:
        return None
    since = LeafFilter(start=own[0].index, type="request.approved")
    uses = [each.entry for each in await entries.find(tx, log, since, _MANY)]
    return _fold([*own, *(entry for entry in uses if entry.data["standing"] == standing_id)])


def _fold(found: Iterable[Entry]) -> StandingApproval | None:
    state: StandingApproval | None = None
    for entry in sorted(found, key=lambda each: each.index):
        state = given(state, entry) if state is None else evolve(state, entry)
    return state


async def differing(secrets: Secrets, tx: Transaction, log: str, told: Mapping[str, StandingApproval]) -> list[str]:
    """The ids of those whose rows are not what the trail, replayed, tells; for `doctor`."""
    rows = {row.id: row for row in await standing.page(tx, log, _MANY)}
    wanted = {key: row_of(secrets, log, state) for key, state in told.items()}
    return sorted(key for key in rows.keys() | wanted.keys() if rows.get(key) != wanted.get(key))


async def unfit(secrets: Secrets, tx: Transaction, institution: Institution) -> list[StandingApproval]:
    """Those that have not ended, and no longer hold in this institution."""
    rows = await standing.unended(tx, institution.code)
    gone = [row for row in rows if not still_holds(StandingApproval.from_data(row.state), institution)]
    return [state for row in gone if (state := await current(secrets, tx, row)) is not None]


def ended_event(state: StandingApproval, because: str) -> Event:
    """`standing_approval.ended` by the service."""
    return Event("standing_approval.ended", state.id, SERVICE, {"because": because})


async def save(secrets: Secrets, tx: Transaction, log: str, state: StandingApproval) -> None:
    """Write the row of a standing approval."""
    await standing.put(tx, row_of(secrets, log, state))
