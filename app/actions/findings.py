"""Findings: a dispute opens one; listed and explained by vendor systems, closed by the institution.

A dispute changes nothing of the request: the vendor's report stays as it was written, and the institution's words
stand beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.actions.answers import MAX_WORDS
from app.actions.cursors import open_cursor
from app.actions.drafting import NOT_APPROVER, may_end
from app.actions.finding_life import Sight, close_findings, explain_finding, open_findings
from app.actions.held import hold
from app.actions.ledger import NOT_FOUND, Ledger, unwrap, write
from app.actions.mails import post
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.views import private_fields
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.finding import DISPUTED, closes, may_be_closed
from app.domain.ids import new_id
from app.domain.kinds import is_code
from app.domain.languages import msg, told
from app.domain.request import Status
from app.domain.request.judge import wrong_state
from app.storage import entries, findings
from app.storage.database import Transaction
from app.storage.findings import FindingRow
from app.tokens.clients import Caller

SCOPE = "accounts"
_NOT_CLOSER = Refusal("forbidden", msg("Findings are closed by approvers and admins of the institution."))
_NOT_CLOSED_BY_HAND = Refusal(
    "wrong-state",
    msg("This finding is closed by what is read next, or has to be explained first; nothing was changed."),
)
_ONCE = Refusal("already-disputed", msg("This report is disputed already; the finding is open for both sides to see."))


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding, with what was found and what explains it; null where that was erased or is not there."""

    row: FindingRow
    what: str | None
    explanation: str | None

    @property
    def opened_at(self) -> datetime:
        """When it was opened."""
        return self.row.opened_at


async def dispute(services: Services, visitor: Visitor, request_id: str, why: str) -> None:
    """Dispute a completion report: the finding is opened, and both sides are told.

    Raises `Refused`: not-found, not-approver, wrong-state, already-disputed, validation (`/why`).
    """
    words = why.replace("\r\n", "\n").strip()
    unwrap(_judge_words(words))
    async with write(services, visitor.code) as book:
        held = await hold(book, request_id)
        outcome: Refusal | None = None
        if not may_end(held, visitor):
            outcome = NOT_APPROVER
        elif held.request.status is not Status.COMPLETED:
            outcome = wrong_state(held.request.status)
        elif await findings.about(book.tx, book.code, request_id):
            outcome = _ONCE
        else:
            finding = new_id("fnd", book.now)
            held.tell(Event("request.disputed", request_id, visitor.actor, {"finding": finding}, {"text": words}))
            sight = Sight(DISPUTED, held.request.environment, "dispute", words, about=request_id, id=finding)
            await open_findings(book, visitor.actor, [sight])
            (await post(held)).outcome("disputed", by=visitor.name, because=None, words=words)
        await held.store()
    unwrap(outcome)


def _judge_words(words: str) -> Refusal | None:
    if not words:
        return Refusal.of_field("/why", msg("Write what is wrong or missing."))
    if len(words) > MAX_WORDS:
        return Refusal.of_field("/why", told("At most %(max_words)s characters; shorten it.", max_words=MAX_WORDS))
    if any(not (char.isprintable() or char in "\n\t") and ord(char) < 0xA0 for char in words):
        return Refusal.of_field("/why", msg("Leave out control characters."))
    return None


async def of_request(services: Services, visitor: Visitor, request_id: str) -> tuple[FindingView, ...]:
    """The findings about a request of the visitor's institution."""
    async with services.database.read() as tx:
        return tuple([await view_of(tx, row) for row in await findings.about(tx, visitor.code, request_id)])


async def page(services: Services, caller: Caller, code: str, limit: int, cursor: str | None) -> list[FindingView]:
    """A page of an institution's, newest first, one more than `limit` where there is.

    Raises `Refused`: not-found, validation for a foreign cursor.
    """
    if not is_code(code) or not caller.serves(code):
        raise Refused(NOT_FOUND)
    before = open_cursor(cursor, "fnd")
    async with services.database.read() as tx:
        rows = await findings.page(tx, code, limit + 1, before)
        return [await view_of(tx, row) for row in rows]


async def explain(services: Services, caller: Caller, code: str, finding_id: str, text: str) -> FindingView:
    """The vendor explains a finding. Raises `Refused`: not-found, wrong-state for one that is closed."""
    if not is_code(code) or not caller.serves(code):
        raise Refused(NOT_FOUND)
    async with write(services, code) as book:
        row = await _standing(book, finding_id)
        explained = await explain_finding(book, Actor("client", caller.cli), row, text)
        await book.append()
        return await view_of(book.tx, explained)


async def close(services: Services, visitor: Visitor, finding_id: str, words: str) -> None:
    """The institution closes what no scan can see again; with `words`, which explain it, or after it was explained.

    Raises `Refused`: not-found, forbidden, wrong-state, validation (`/why`).
    """
    words = words.replace("\r\n", "\n").strip()
    async with write(services, visitor.code) as book:
        row = await _standing(book, finding_id)
        if not closes(visitor.roles):
            raise Refused(_NOT_CLOSER)
        if words:
            unwrap(_judge_words(words))
            row = await explain_finding(book, visitor.actor, row, words)
        if not may_be_closed(row.found_by, row.kind, row.state):
            raise Refused(_NOT_CLOSED_BY_HAND)
        await close_findings(book, visitor.actor, [row])
        await book.append()


async def _standing(book: Ledger, finding_id: str) -> FindingRow:
    """A finding that is not closed. Raises `Refused`: not-found, wrong-state."""
    row = await findings.read(book.tx, book.code, finding_id)
    if row is None:
        raise Refused(NOT_FOUND)
    if row.state == "closed":
        raise Refused(Refusal("wrong-state", msg("The finding is closed."), extra=(("status", row.state),)))
    return row


async def view_of(tx: Transaction, row: FindingRow) -> FindingView:
    """A finding with what the trail says of it."""
    what = await _private(tx, row.log, row.opened_index, "what")
    explained = None if row.explained_index is None else await _private(tx, row.log, row.explained_index, "text")
    return FindingView(row, what, explained)


async def _private(tx: Transaction, log: str, index: int, name: str) -> str | None:
    found = await entries.read_leaves(tx, log, index, index + 1)
    return private_fields(found[0]).get(name) if found else None
