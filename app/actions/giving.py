"""Giving a standing approval: countersigned by each giver, as a decision is.

A draft fixes the statement, the check page shows it, a fresh sign-in at the institution's provider signs its hash, and
everything is judged again under the lock when the browser is back. A refusal there is `sign_in.refused`, the one event
that the catalogue has for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.actions import claims
from app.actions.bindings import binding_of, keep_keys
from app.actions.decisions import mismatch
from app.actions.drafting import DRAFT_OVER, LIFE, digest_of, own_draft, sealed_draft
from app.actions.journey import Arrived, Begun, Plan, Proof, Where, depart
from app.actions.ledger import NOT_FOUND, Ledger, unwrap, write
from app.actions.services import Services
from app.actions.settings_mails import tell_further_givers
from app.actions.signin import Visitor, refused_event, sign_in_refusal
from app.actions.soundness import IN_DOUBT, doubts
from app.actions.standing import hold
from app.actions.standing_rows import current, save
from app.actions.tries import tell_refused
from app.audit.evidence import countersignature_blob, nonce_of
from app.domain.errors import Refusal, Refused
from app.domain.events import Event
from app.domain.ids import new_id
from app.domain.institution import Institution
from app.domain.languages import language_of
from app.domain.standing import StandingApproval, given
from app.domain.standing_rules import judge_giver, judge_offer, wanted
from app.domain.statement import Advance, standing_statement, standing_text
from app.storage import drafts, institutions, objects, standing
from app.storage.drafts import DraftRow
from app.storage.objects import EvidenceRow
from app.trail import canonical
from app.trail.log import new_salt

KIND = "standing"


@dataclass(frozen=True, slots=True)
class StandingDraft:
    """A draft on its check page. `more`: how many have to give it beside this visitor."""

    id: str
    approval: StandingApproval
    text: str
    statement: str
    nonce: str
    expires_at: datetime
    more: int


async def offer(services: Services, visitor: Visitor, offered: StandingApproval) -> str:
    """Take a form (`id` empty): the id of the draft. Raises `Refused`: validation by field, or why it may not be."""
    async with write(services, visitor.code) as book:
        approval = replace(offered, id=new_id("sta", book.now))
        unwrap(judge_offer(approval, book.institution, book.now))
        return await _draft(book, visitor, approval)


async def join(services: Services, visitor: Visitor, standing_id: str) -> str:
    """Join those who gave one already: the id of the draft. Raises `Refused`: not-found, or why not."""
    async with write(services, visitor.code) as book:
        return await _draft(book, visitor, await hold(book, standing_id))


async def _draft(book: Ledger, visitor: Visitor, approval: StandingApproval) -> str:
    unwrap(judge_giver(approval, book.institution, visitor.person, book.now))
    salt = new_salt()
    statement = canonical.encode(await _statement(book, visitor, approval, salt))
    details = {"approval": replace(approval, givers=(), used=0).to_data(), "salt": salt}
    row = DraftRow(
        book.code, new_id("dft", book.now), KIND, approval.id, visitor.person, visitor.session, statement, details,
        book.now,
    )  # fmt: skip
    await drafts.add(book.tx, sealed_draft(book.services, row))
    return row.id


async def _statement(book: Ledger, visitor: Visitor, approval: StandingApproval, salt: str) -> dict[str, Any]:
    state, place = book.institution, approval.environment
    advance = Advance(
        vendor=(await book.around()).vendor_name,
        institution=book.row.name,
        environment=None if place is None else state.environments[place],
        case_number=approval.case_number,
        roles=approval.roles,
        max_window_minutes=approval.max_window_minutes,
        uses=approval.uses,
        not_after=approval.not_after,
        zone=state.zone,
        zone_name=state.time_zone,
    )
    return standing_statement(
        origin=book.head.origin,
        institution=book.code,
        standing=approval.id,
        terms=approval.terms,
        text=standing_text(advance, language_of(state.locale)),
        policy_digest=digest_of(state.policy.to_data()),
        iss=visitor.iss,
        sub=visitor.sub,
        salt=salt,
    )


async def draft(services: Services, visitor: Visitor, draft_id: str) -> StandingDraft:
    """The visitor's own open draft. Raises `Refused`: not-found, draft-over."""
    async with services.database.read() as tx:
        row = await institutions.read(tx, visitor.code)
        found = await drafts.read(tx, visitor.code, draft_id)
        before = None if found is None else await standing.read(tx, visitor.code, found.subject)
        now = await tx.now()
    kept = unwrap(_own(services, found, visitor, now))
    if row is None:
        raise Refused(NOT_FOUND)
    approval = StandingApproval.from_data(kept.details["approval"])
    givers = 0 if before is None else len(StandingApproval.from_data(before.state).givers)
    return StandingDraft(
        id=kept.id,
        approval=approval,
        text=str(canonical.decode_object(kept.statement)["text"]),
        statement=kept.statement.decode(),
        nonce=nonce_of(kept.statement),
        expires_at=kept.created_at + LIFE,
        more=max(0, wanted(approval, Institution.from_data(row.state)) - givers - 1),
    )


def _own(services: Services, found: DraftRow | None, visitor: Visitor, now: datetime) -> DraftRow | Refusal:
    if found is None or found.kind != KIND:
        return NOT_FOUND
    return own_draft(services, found, visitor, found.subject, now)


async def confirm(services: Services, visitor: Visitor, draft_id: str, browser: str | None) -> Begun:
    """Go on to the provider with the statement's nonce. Raises `Refused`: not-found, draft-over; `Unavailable`."""
    async with services.database.read() as tx:
        row = await institutions.read(tx, visitor.code)
        kept = _own(services, await drafts.read(tx, visitor.code, draft_id), visitor, await tx.now())
    confirmed = unwrap(kept)
    if row is None:
        raise Refused(NOT_FOUND)
    institution = Institution.from_data(row.state)
    plan = Plan(
        "countersign",
        {"draft": draft_id, KIND: confirmed.subject},
        nonce=nonce_of(confirmed.statement),
        scope="openid",
        max_age=institution.policy.sign_in_max_age_s,
        acr_values=institution.policy.acr_values,
    )
    return await depart(services, row, institution, plan, browser)


async def countersigned(services: Services, visitor: Visitor | None, code: str, arrived: Arrived, where: Where) -> None:
    """A browser is back: the standing approval is given, or refused with one event. Raises `Refused`."""
    async with write(services, code) as book:
        outcome = await _countersign(book, visitor, arrived)
        if outcome is not None:
            await tell_refused(book, refused_event(code, dict(outcome.extra).get("reason", outcome.problem), where))
        await book.append()
    unwrap(outcome)


async def _countersign(book: Ledger, visitor: Visitor | None, arrived: Arrived) -> Refusal | None:
    if visitor is None or visitor.code != book.code:
        return sign_in_refusal("session-over")
    found = await drafts.read(book.tx, book.code, str(arrived.details["draft"]))
    row = _own(book.services, found, visitor, book.now)
    if isinstance(arrived.outcome, str):
        return sign_in_refusal(arrived.outcome)
    if isinstance(row, Refusal):
        return row
    problem = mismatch(book, visitor, row, arrived.outcome)
    if problem is not None:
        if problem == "role-not-shown":
            await claims.follow(book, visitor.person, arrived.outcome)
        return sign_in_refusal(problem)
    return await _give(book, visitor, row, arrived.outcome)


async def _give(book: Ledger, visitor: Visitor, row: DraftRow, proof: Proof) -> Refusal | None:
    book.trust_clock()
    doubt = await doubts(book, visitor)
    if doubt is not None:
        return doubt
    if not await drafts.use(book.tx, book.code, row.id, book.now):
        return DRAFT_OVER
    offered = StandingApproval.from_data(row.details["approval"])
    kept = await standing.read(book.tx, book.code, offered.id)
    before = None if kept is None else await current(book.services.secrets, book.tx, kept)
    if kept is not None and before is None:
        return IN_DOUBT
    refusal = judge_giver(before or offered, book.institution, visitor.person, book.now)
    refusal = refusal or (None if before is not None else judge_offer(offered, book.institution, book.now))
    blob = countersignature_blob(canonical.decode_object(row.statement), proof.id_token, proof.identity.jwk)
    evidence = EvidenceRow(book.code, canonical.sha(blob), blob)
    if refusal is None and not await objects.put(book.tx, evidence):
        refusal = DRAFT_OVER
    if refusal is not None:
        return refusal
    await keep_keys(book, binding_of(proof))
    earlier = () if before is None else before.givers
    data = {**offered.terms, "decisions": [giver.index for giver in earlier], "evidence": [evidence.digest]}
    entry = book.place(Event("standing_approval.given", offered.id, visitor.actor, data, {"comment": ""}))
    approval = given(before, entry)
    await save(book.services.secrets, book.tx, book.code, approval)
    await tell_further_givers(book, approval)
    return None
