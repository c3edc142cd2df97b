"""Filing an access request: judged, recorded, told to the approvers, answered the same way twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.actions import standing
from app.actions.grant_rows import grant_row
from app.actions.held import Held, changed_row
from app.actions.ledger import Ledger, lock, unwrap
from app.actions.mails import post
from app.actions.services import Services
from app.actions.soundness import IN_DOUBT
from app.actions.views import VENDOR, RequestView, view_told
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.ids import new_id
from app.domain.request import (
    AccessRequest,
    Ask,
    Permit,
    created,
    created_event,
    implementation_grant,
    judge_ask,
)
from app.storage import clients, grants, requests
from app.storage.database import Transaction
from app.storage.leaves import Stored
from app.storage.requests import RequestRow
from app.tokens.clients import Caller
from app.tokens.secrets import new_code
from app.trail import canonical


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What a vendor system asks, form and lengths already judged at the edge."""

    institution: str
    environment: str
    account: str
    case_number: str
    case_title: str
    case_url: str | None
    severity: str
    escalated: bool
    engineer_id: str
    engineer_name: str
    engineer_email: str
    works_from: str | None
    endorser_id: str | None
    endorser_name: str | None
    extends: str | None
    reason: str
    roles: tuple[str, ...]
    not_before: datetime | None
    minutes: int

    def private(self) -> dict[str, str | None]:
        """The fields of the private part of `request.created`."""
        names = (
            "case_title case_url endorser_id endorser_name engineer_email engineer_id engineer_name reason works_from"
        )
        return {name: getattr(self, name) for name in names.split()}


async def create(services: Services, caller: Caller, new: NewRequest) -> RequestView:
    """File a request. Raises `Refused` as `http-api.md` lists; the refusal is an event of the institution."""
    async with services.database.begin(new.institution) as tx:
        book = await _book(services, tx, caller, new.institution)
        outcome = await _create(book, caller, new)
        if isinstance(outcome, Refusal):
            await _refused(book, caller, new, outcome)
    return unwrap(outcome)


async def _book(services: Services, tx: Transaction, caller: Caller, code: str) -> Ledger:
    if code == VENDOR or not caller.serves(code):
        raise Refused(_unknown_institution())
    try:
        return await lock(services, tx, code)
    except Refused as refused:
        raise Refused(_unknown_institution()) from refused


def _unknown_institution() -> Refusal:
    detail = "There is no such institution, or this client does not serve it."
    return Refusal.of_field("/institution", detail, "institution-unknown")


async def _create(book: Ledger, caller: Caller, new: NewRequest) -> RequestView | Refusal:
    client = await clients.read(book.tx, caller.cli)
    if client is None or client.disabled:  # revoked since the call began: what it filed by then has ended already
        raise Refused(Refusal("unauthorized", "This client was revoked."))
    ask = _ask(book.services, new)
    permit = judge_ask(ask, book.institution, book.now)
    refusal = permit if isinstance(permit, Refusal) else await _limited(book) or await _unknown_extends(book, new)
    if isinstance(permit, Refusal) or refusal is not None:
        return refusal or _unknown_institution()
    if permit.ground is not None:
        book.trust_clock()
        if not await book.is_sealed():
            return IN_DOUBT
    number = await requests.next_number(book.tx, book.code, book.now.astimezone(book.institution.zone).year)
    event = created_event(new_id("req", book.now), ask, permit, number, Actor("client", caller.cli), new.private())
    held, told = await _placed(book, event, new, permit)
    return view_told(held.row, book.now, book.row, await book.around(), client.name, told)


async def _placed(book: Ledger, event: Event, new: NewRequest, permit: Permit) -> tuple[Held, list[Stored]]:
    """Append the request, and on its ground the grant; insert its rows; tell the approvers."""
    (stored,) = book.add(event)
    request = created(stored.entry, canonical.sha(stored.leaf))
    row = _row(book, request, new, event.actor.id)
    held = Held(book, row, request)
    mails = await post(held, new.private(), ("request.created",))
    if permit.ground == "implementation":
        held.tell(*unwrap(implementation_grant(request, book.institution, book.now, new_id("grt", book.now))))
        mails.implementation()
    elif await standing.use(held, new.engineer_email):
        mails.outcome("approved", by=None, because=None)
    else:
        mails.needed("request", mails.approvers())
    told = await book.append()
    held.row = replace(changed_row(row, held.request, book), version=1)
    await requests.add(book.tx, held.row)
    if held.request.grant is not None:
        await grants.add(book.tx, grant_row(book.services.secrets, held.row, held.request.grant))
    return held, told


def _ask(services: Services, new: NewRequest) -> Ask:
    return Ask(
        environment=new.environment,
        account=new.account,
        case_number=new.case_number,
        escalated=new.escalated,
        severity=new.severity,
        engineer=services.secrets.engineer_id(new.engineer_id),
        extends=new.extends,
        minutes=new.minutes,
        not_before=new.not_before,
        roles=tuple(sorted(set(new.roles))),
    )


def _row(book: Ledger, request: AccessRequest, new: NewRequest, client: str) -> RequestRow:
    return RequestRow(
        log=book.code,
        id=request.id,
        number=request.number,
        short=new_code(12),
        client=client,
        status=request.status.value,
        created_index=request.created_index,
        decide_by=request.decide_by,
        due_at=None,
        environment=request.environment,
        case_number=request.case_number,
        engineer_id=new.engineer_id,
        created_at=request.created_at,
        updated_at=request.updated_at,
        version=0,
        state=request.to_data(),
    )


async def _limited(book: Ledger) -> Refusal | None:
    most = book.services.requests_per_hour
    if await requests.created_since(book.tx, book.code, book.now - timedelta(hours=1)) < most:
        return None
    return Refusal("too-many-requests", f"At most {most} requests an hour for one institution.", retry_after=60)


async def _unknown_extends(book: Ledger, new: NewRequest) -> Refusal | None:
    if new.extends is None or await requests.read(book.tx, new.extends, book.code) is not None:
        return None
    return Refusal.of_field("/extends", "The institution has no such request; leave it out or name the one it extends.")


async def _refused(book: Ledger, caller: Caller, new: NewRequest, refusal: Refusal) -> None:
    known = refusal.problem != "validation"
    data = {
        "account": new.account if known else None,
        "environment": new.environment if known else None,
        "problem": refusal.problem,
        "count": 1,
    }
    event = Event(
        "request.refused", book.code, Actor("client", caller.cli), data, {"engineer_id": new.engineer_id or None}
    )
    key = f"request/{caller.cli}/{refusal.problem}/{data['environment']}/{data['account']}"
    await book.refuse(canonical.sha(key.encode()), event)
    await book.append()
