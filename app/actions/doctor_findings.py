"""What the doctor asks of findings and scans: rows that tell what the trail tells, and none that stand alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from app.audit.world import World
from app.domain.errors import IllegalTransition
from app.domain.events import Entry
from app.domain.finding import Finding, State, evolve
from app.storage import entries, findings, scans
from app.storage.database import Transaction
from app.storage.entries import LeafFilter
from app.storage.findings import FindingRow
from app.storage.scans import ScanRow

_PAGE = 200
_LIFE = ("finding.opened", "finding.explained", "finding.closed")


@dataclass(slots=True)
class _Told:
    """A finding as its entries tell it. What found it stands in none of them alone: the replay says that."""

    finding: Finding
    about: str | None
    opened: Entry
    explained: int | None = None
    closed_at: datetime | None = None

    def tell(self, entry: Entry) -> None:
        """What follows on its opening; what cannot follow, the replay has found already."""
        try:
            self.finding = evolve(self.finding, entry)
        except IllegalTransition:
            return
        if entry.type == "finding.explained":
            self.explained = entry.index
        else:
            self.closed_at = entry.at

    def is_of(self, row: FindingRow, world: World) -> bool:
        """Whether a row says the same."""
        standing = world.standing_findings.get(row.id)
        told = self.finding
        return (
            (row.kind, row.environment, row.about, row.state) == (told.kind, told.environment, self.about, told.state)
            and (row.opened_index, row.opened_at) == (self.opened.index, self.opened.at)
            and (row.explained_index, row.closed_at) == (self.explained, self.closed_at)
            and (standing is None or standing.found_by == row.found_by)
        )


async def finding_differences(tx: Transaction, log: str, world: World) -> AsyncIterator[str]:
    """Every difference between the rows of findings and scans and the trail, in words."""
    told: dict[str, _Told] = {}
    async for entry in _entries(tx, log, *_LIFE):
        if entry.type == "finding.opened":
            found = Finding(entry.subject, entry.data["kind"], entry.data["environment"], "clock", State.OPEN)
            told.setdefault(entry.subject, _Told(found, entry.data["about"], entry))
        elif entry.subject in told:
            told[entry.subject].tell(entry)
    async for row in _findings(tx, log):
        known = told.pop(row.id, None)
        if known is None:
            yield f"{row.id} stands in the table alone"
        elif not known.is_of(row, world):
            yield f"the row of {row.id} is not as the trail tells it"
    for missing in sorted(told):
        yield f"{missing} stands in the trail alone"
    async for words in _scan_differences(tx, log):
        yield words


async def _scan_differences(tx: Transaction, log: str) -> AsyncIterator[str]:
    told = {entry.index: entry async for entry in _entries(tx, log, "scan.completed")}
    async for row in _scans(tx, log):
        if row.state != "done":
            if row.idx is not None:
                yield f"{row.id} is not done, and names an entry"
            continue
        entry = told.pop(-1 if row.idx is None else row.idx, None)
        if entry is None:
            yield f"{row.id} stands in the table alone"
        elif not _is_scan(row, entry):
            yield f"the row of {row.id} is not as the trail tells it"
    for index in sorted(told):
        yield f"the scan of entry {index} stands in the trail alone"


def _is_scan(row: ScanRow, entry: Entry) -> bool:
    seen, data = row.seen or {}, entry.data
    counts = (row.environment, row.users, seen.get("opened"), seen.get("closed"), row.ended_at)
    return counts == (data["environment"], data["users"], data["opened"], data["closed"], entry.at)


async def _entries(tx: Transaction, log: str, *types: str) -> AsyncIterator[Entry]:
    """Every entry of some types, in order."""
    start = 0
    while page := await entries.find(tx, log, LeafFilter(start, types=types), _PAGE):
        for each in page:
            yield each.entry
        start = page[-1].entry.index + 1


async def _findings(tx: Transaction, log: str) -> AsyncIterator[FindingRow]:
    before = None
    while page := await findings.page(tx, log, _PAGE, before):
        for each in page:
            yield each
        before = page[-1].id


async def _scans(tx: Transaction, log: str) -> AsyncIterator[ScanRow]:
    before = None
    while page := await scans.page(tx, log, _PAGE, before):
        for each in page:
            yield each
        before = page[-1].id
