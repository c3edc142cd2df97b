"""The one way to change a log: lock its head, judge, gather events, append them at once, commit.

    async with write(services, code) as book:
        … judge by book.institution and book.now …
        book.add(event, …)
        await book.append()

Nothing is written before `append`, which gives all gathered events one instant, stores the leaves and folds them into
the institution's row. Whoever refuses adds the event of the refusal, lets the block end (it commits), and raises
`Refused` after.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from app.actions import seals, standing_rows
from app.actions.announce import announce
from app.actions.services import Services
from app.actions.views import Around, around
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.events import Entry, Event
from app.domain.institution import CHANGING, Institution, evolve
from app.domain.languages import msg
from app.domain.standing import evolve as evolve_standing
from app.storage import institutions, leaves, outbox, refusals
from app.storage.database import Transaction
from app.storage.heads import judged
from app.storage.institutions import InstitutionRow
from app.storage.leaves import Head, Stored
from app.storage.outbox import OutboxRow

T = TypeVar("T")

NOT_FOUND = Refusal("not-found", msg("There is nothing here, or it is not yours to see."))


@dataclass(slots=True)
class Ledger:
    """One log, locked, inside one transaction. `deliveries` are new, `amended` wait in the outbox, locked too."""

    services: Services
    tx: Transaction
    head: Head
    row: InstitutionRow
    institution: Institution
    gathered: list[Stored] = field(default_factory=list)
    deliveries: list[OutboxRow] = field(default_factory=list)
    amended: list[OutboxRow] = field(default_factory=list)
    _around: Around | None = None

    @property
    def code(self) -> str:
        """The institution's code, which is the log's name."""
        return self.row.code

    @property
    def now(self) -> datetime:
        """The instant of everything that happens in this transaction."""
        return self.head.at

    @property
    def next_index(self) -> int:
        """The index that the next added event will get."""
        return self.head.size + len(self.gathered)

    async def around(self) -> Around:
        """The vendor's name and the roster, read once; who changes the roster does not ask before."""
        if self._around is None:
            self._around = await around(self.tx, self.code)
        return self._around

    def add(self, *events: Event) -> list[Stored]:
        """Gather events, which are appended together; the entries they will be, so that state can be folded before."""
        added = [leaves.compose(self.head, index, event) for index, event in enumerate(events, self.next_index)]
        self.gathered.extend(added)
        return added

    def place(self, event: Event) -> Entry:
        """Gather one event; the entry it will be."""
        return self.add(event)[0].entry

    def trust_clock(self) -> None:
        """Refuse to give anything while the clock stands behind what the log already tells. Raises `Unavailable`."""
        if self.head.clock_ahead:
            raise Unavailable(
                "The clock of this service stands behind its own log; nothing is given until it is right."
            )

    async def refuse(self, key: str, event: Event) -> None:
        """Gather the event of a counted refusal: at once if it is the first of its minute, else told at its end."""
        told = {
            "type": event.type,
            "subject": event.subject,
            "actor": [event.actor.kind, event.actor.id],
            "data": dict(event.data),
            "private": None if event.private is None else dict(event.private),
        }
        if await refusals.note(self.tx, self.code, key, told, self.now):
            self.add(event)

    async def append(self) -> list[Stored]:
        """Append what was gathered, fold it into the institution, put the deliveries into the outbox, webhooks' too."""
        if not self.gathered:
            return []
        stored, self.gathered = self.gathered, []
        changes = any(each.entry.type in CHANGING for each in stored)
        sealed = changes and await self.is_sealed()
        self.head = await leaves.store(self.tx, self.head, stored)
        if changes:
            await self._fold([each.entry for each in stored], sealed=sealed)
        await outbox.put(self.tx, [*self.deliveries, *await announce(self.tx, self.code, stored)])
        await outbox.amend(self.tx, self.amended)
        self.deliveries, self.amended = [], []
        return stored

    async def is_sealed(self) -> bool:
        """Whether the institution's row is as this service last wrote it, and nothing has changed it since."""
        return await seals.hold(self.services.secrets, self.tx, self.row)

    async def _fold(self, entries: Sequence[Entry], *, sealed: bool) -> None:
        """Fold entries into the institution's row; it is sealed anew only where it was `sealed` before."""
        institution = self.institution
        for entry in entries:
            institution = evolve(institution, entry)
        if institution != self.institution:
            self.institution = institution
            enrolled = institution.enrolled_at is not None
            self.row = replace(self.row, state=institution.to_data(), enrolled=enrolled)
            await institutions.save(self.tx, self.row)
            await self._end_standing()
        folded = seals.last_change(entries)
        if sealed and folded is not None:
            await seals.put(self.services.secrets, self.tx, self.row, folded)

    async def _end_standing(self) -> None:
        """End the standing approvals that do not hold after a change of the institution, in its own append."""
        secrets = self.services.secrets
        for state in await standing_rows.unfit(secrets, self.tx, self.institution):
            event = standing_rows.ended_event(state, "rules")
            self.head, stored = await leaves.append(self.tx, self.head, [event])
            await standing_rows.save(secrets, self.tx, self.code, evolve_standing(state, stored[0].entry))


@asynccontextmanager
async def write(services: Services, code: str) -> AsyncIterator[Ledger]:
    """A transaction over one log. Raises `Refused` not-found for an unknown code, `Unavailable` when in doubt."""
    async with services.database.begin(code) as tx:
        yield await lock(services, tx, code)


async def lock(services: Services, tx: Transaction, code: str) -> Ledger:
    """Lock the head of a log inside a transaction. Those who lock several do so in the order of their codes."""
    try:
        head = await leaves.lock(tx, code)
    except KeyError as error:
        raise Refused(NOT_FOUND) from error
    row = await institutions.read(tx, code)
    if row is None:
        raise Refused(NOT_FOUND)
    doubt = await judged(services.heads, head.origin, head.size)
    if doubt is not None:
        raise doubt
    return Ledger(services, tx, head, row, Institution.from_data(row.state))


def unwrap(outcome: T | Refusal) -> T:
    """The value of an outcome whose transaction is over. Raises `Refused`."""
    if isinstance(outcome, Refusal):
        raise Refused(outcome)
    return outcome
