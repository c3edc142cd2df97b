"""Drafts: an answer that its giver has yet to confirm.

What is approved is fixed when the check page shows it: the statement's bytes, whose hash goes to the provider as
`nonce`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.actions.answers import Answer, Chosen, read_answer
from app.actions.held import Held, hold
from app.actions.ledger import NOT_FOUND, unwrap, write
from app.actions.requests import say
from app.actions.reviews import review
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.views import RequestView
from app.audit.evidence import nonce_of
from app.domain.errors import Refusal
from app.domain.events import Event
from app.domain.ids import new_id
from app.domain.institution import eligible
from app.domain.languages import language_of, msg
from app.domain.request import Status, Terms, judge_answer
from app.domain.request.judge import wrong_state
from app.domain.statement import Approval, approval_text, comment_input, decision_statement
from app.storage import clients, drafts
from app.storage.drafts import DraftRow
from app.trail import canonical
from app.trail.log import new_salt

LIFE = timedelta(minutes=10)
DRAFT_OVER = Refusal(
    "draft-over", msg("This draft is used or older than ten minutes. Nothing was recorded; answer again.")
)


@dataclass(frozen=True, slots=True)
class DraftView:
    """A draft on its check page. `statement` and `nonce` are empty for a denial, which nobody signs."""

    id: str
    verdict: str
    terms: Terms | None
    comment: str
    text: str
    statement: str
    nonce: str
    expires_at: datetime
    request: RequestView


async def answer(services: Services, visitor: Visitor, request_id: str, given: Answer) -> str | None:
    """Take an answer: the id of its draft, or None for a question, which is sent at once.

    Raises `Refused`: not-found, validation (by field), or why this person may not answer now, which is an event.
    """
    async with write(services, visitor.code) as book:
        held = await hold(book, request_id)
        outcome = await _answer(held, visitor, given)
        await held.store()
    return unwrap(outcome)


async def _answer(held: Held, visitor: Visitor, given: Answer) -> str | Refusal | None:
    book = held.book
    if given.decision in {"approve", "deny"} and held.request.status is not Status.PENDING:
        # Before the fields are judged: on a request that is decided, no field is what is wrong.
        await refuse(held, visitor, given.decision, "wrong-state")
        return wrong_state(held.request.status)
    chosen = read_answer(given, held.request, book.now)
    if isinstance(chosen, Refusal):
        return chosen
    if chosen.verdict == "ask":
        if not may_end(held, visitor):
            return NOT_APPROVER
        said = await say(held, visitor.actor, chosen.words, visitor.name)
        return said if isinstance(said, Refusal) else None
    refusal = judge_answer(
        held.request,
        book.institution,
        visitor.person,
        chosen.verdict,
        chosen.terms,
        book.now,
        own_request=is_engineer(visitor, await held.asked()),
    )
    if refusal is None and chosen.verdict == "approve":
        refusal = await client_gone(held)
    if refusal is not None:
        await refuse(held, visitor, chosen.verdict, refusal.problem)
        return refusal
    draft = await _draft(held, visitor, chosen)
    await drafts.add(book.tx, sealed_draft(book.services, draft))
    return draft.id


async def _draft(held: Held, visitor: Visitor, chosen: Chosen) -> DraftRow:
    salt = new_salt()
    details = {
        "terms": None if chosen.terms is None else chosen.terms.to_data(),
        "comment": chosen.words,
        "salt": salt,
    }
    statement = b"" if chosen.terms is None else canonical.encode(await _statement(held, visitor, chosen, salt))
    return DraftRow(
        log=held.book.code,
        id=new_id("dft", held.book.now),
        kind=chosen.verdict,
        subject=held.request.id,
        person=visitor.person,
        session=visitor.session,
        statement=statement,
        details=details,
        created_at=held.book.now,
    )


async def _statement(held: Held, visitor: Visitor, chosen: Chosen, salt: str) -> dict[str, Any]:
    terms, state = chosen.terms or held.request.asked, held.book.institution
    asked, known = await held.asked(), await held.book.around()
    sentence = Approval(
        vendor=known.vendor_name,
        engineer_name=asked.get("engineer_name") or "",
        engineer_id=asked.get("engineer_id") or "",
        account=held.request.account,
        environment=state.environments[held.request.environment],
        institution=held.book.row.name,
        case_number=held.request.case_number,
        terms=terms,
        zone=state.zone,
        zone_name=state.time_zone,
    )
    return decision_statement(
        origin=held.book.head.origin,
        institution=held.book.code,
        request=held.request.id,
        request_digest=held.request.digest,
        terms=terms,
        text=approval_text(sentence, language_of(state.locale)),
        comment_digest=digest_of(comment_input(chosen.words, salt)),
        policy_digest=digest_of(state.policy.to_data()),
        iss=visitor.iss,
        sub=visitor.sub,
        salt=salt,
    )


async def draft(services: Services, visitor: Visitor, request_id: str, draft_id: str) -> DraftView:
    """The visitor's own open draft. Raises `Refused`: not-found, draft-over."""
    shown = await review(services, visitor, request_id)
    async with services.database.read() as tx:
        row = await drafts.read(tx, visitor.code, draft_id)
        now = await tx.now()
    kept = unwrap(own_draft(services, row, visitor, request_id, now))
    terms = kept.details["terms"]
    statement = kept.statement.decode()
    return DraftView(
        id=kept.id,
        verdict=kept.kind,
        terms=None if terms is None else Terms.from_data(terms),
        comment=kept.details["comment"],
        text=str(canonical.decode_object(kept.statement)["text"]) if statement else "",
        statement=statement,
        nonce=nonce_of(kept.statement) if statement else "",
        expires_at=kept.created_at + LIFE,
        request=shown,
    )


def own_draft(
    services: Services, row: DraftRow | None, visitor: Visitor, subject: str, now: datetime
) -> DraftRow | Refusal:
    """The draft, if it is of this browser session, as this service wrote it, and still counts."""
    if row is None or (row.person, row.session, row.subject) != (visitor.person, visitor.session, subject):
        return NOT_FOUND
    if row.details.get("mac") != _draft_mac(services, row):
        return NOT_FOUND
    return DRAFT_OVER if row.used_at is not None or now - row.created_at >= LIFE else row


def sealed_draft(services: Services, row: DraftRow) -> DraftRow:
    """The row with its MAC: what was shown is what is signed, whoever writes the database meanwhile."""
    return replace(row, details={**row.details, "mac": _draft_mac(services, row)})


def _draft_mac(services: Services, row: DraftRow) -> str:
    details = canonical.encode({name: value for name, value in row.details.items() if name != "mac"})
    names = (row.log, row.id, row.kind, row.subject, row.person)
    return services.secrets.mac("row/draft", *names, row.session, row.statement, details).hex()


def is_engineer(visitor: Visitor, asked: Mapping[str, str | None]) -> bool:
    """Whether the visitor is the engineer of the request with these private fields, by address."""
    return visitor.email.lower() == (asked.get("engineer_email") or "").lower()


NOT_APPROVER = Refusal("not-approver", msg("Only an approver of the institution may do this."))


def may_end(held: Held, visitor: Visitor) -> bool:
    """Whether the visitor may answer for the product, and so take access to it back."""
    institution = held.book.institution
    return eligible(institution, visitor.person, institution.environments[held.request.environment].product)


async def client_gone(held: Held) -> Refusal | None:
    """Why nothing may be given on the request any more: the client that filed it was revoked. It may be denied."""
    client = await clients.read(held.book.tx, held.request.created_by)
    if client is None or client.disabled:
        return Refusal("client-revoked", msg("The vendor's system that filed this request was shut off."))
    return None


async def refuse(held: Held, visitor: Visitor, verdict: str, problem: str, *, counted: bool = True) -> None:
    """Record a refused decision: of one kind and person once a minute, or each by itself."""
    event = Event(
        "decision.refused", held.request.id, visitor.actor, {"problem": problem, "verdict": verdict, "count": 1}
    )
    if counted:
        key = f"decision/{held.request.id}/{visitor.person}/{verdict}/{problem}"
        await held.book.refuse(canonical.sha(key.encode()), event)
    else:
        held.book.add(event)


def digest_of(value: Mapping[str, Any]) -> str:
    """`sha256:…` of the canonical form of a value."""
    return canonical.sha(canonical.encode(value))
