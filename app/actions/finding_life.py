"""The life of findings: opened once for as long as what was found is there, explained, closed. Under the log's lock.

    fresh = await unseen(book, sights)
    book.add(…that it was looked for, and how much was found…)
    await open_findings(book, actor, fresh)
    await close_findings(book, actor, rows)
    await book.append()

Whoever looks says first what it looked at (`scan.completed`, `sign_ins.reconciled`), in the same append: the verifier
asks for that order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.actions.ledger import Ledger
from app.domain.events import Actor, Event
from app.domain.finding import FoundBy, State
from app.domain.ids import new_id
from app.storage import findings
from app.storage.findings import FindingRow

LABEL = "finding"
LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Sight:
    """Something wrong that was seen. `what` says it to people; it stands in the private part alone.

    `key`: what makes it the same thing when it is seen again, beside kind, environment and what found it; empty where
    it cannot be seen again. `about`: the request or session it concerns. `id`: the finding's, where it is known before.
    """

    kind: str
    environment: str | None
    found_by: FoundBy
    what: str
    key: tuple[str, ...] = ()
    about: str | None = None
    id: str | None = None


def key_of(book: Ledger, sight: Sight) -> bytes | None:
    """The keyed hash by which what was seen is known again."""
    if not sight.key:
        return None
    place = (book.code, sight.environment or "", sight.found_by, sight.kind)
    return book.services.secrets.mac(LABEL, *place, *sight.key)


async def unseen(book: Ledger, sights: Iterable[Sight]) -> list[Sight]:
    """Those for which no finding stands yet, each once."""
    by_key: dict[bytes | Sight, Sight] = {}
    for sight in sights:
        by_key.setdefault(key_of(book, sight) or sight, sight)
    known = await findings.standing(book.tx, book.code, [key for key in by_key if isinstance(key, bytes)])
    return [sight for key, sight in by_key.items() if key not in known]


async def open_findings(book: Ledger, actor: Actor, sights: Sequence[Sight]) -> list[FindingRow]:
    """Open a finding for each; of those for which one may stand already, `unseen` gives the others."""
    opened = []
    for sight in sights:
        finding = sight.id or new_id("fnd", book.now)
        data = {"kind": sight.kind, "environment": sight.environment, "about": sight.about}
        entry = book.place(Event("finding.opened", finding, actor, data, {"what": sight.what[:LONGEST]}))
        row = FindingRow(
            log=book.code,
            id=finding,
            kind=sight.kind,
            environment=sight.environment,
            about=sight.about,
            state=State.OPEN,
            opened_index=entry.index,
            explained_index=None,
            opened_at=book.now,
            closed_at=None,
            found_by=sight.found_by,
            key=key_of(book, sight),
        )
        await findings.add(book.tx, row)
        opened.append(row)
    return opened


async def explain_finding(book: Ledger, actor: Actor, row: FindingRow, text: str) -> FindingRow:
    """Put words beside a finding that is not closed; they take the place of those before."""
    entry = book.place(Event("finding.explained", row.id, actor, {}, {"text": text}))
    explained = replace(row, state=State.EXPLAINED, explained_index=entry.index)
    await findings.save(book.tx, explained)
    return explained


async def close_findings(book: Ledger, actor: Actor, rows: Sequence[FindingRow]) -> None:
    """Close findings that are not closed."""
    for row in rows:
        book.add(Event("finding.closed", row.id, actor, {}))
        await findings.save(book.tx, replace(row, state=State.CLOSED, closed_at=book.now))
