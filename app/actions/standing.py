"""Standing approvals: listed, used when a request is filed, taken back, over. How they are given: `giving.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from app.actions.held import Held
from app.actions.ledger import NOT_FOUND, Ledger, write
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.soundness import IN_DOUBT
from app.actions.standing_rows import current, ended_event, save
from app.domain.errors import Refusal, Refused
from app.domain.events import Event
from app.domain.ids import new_id
from app.domain.institution import Institution
from app.domain.languages import msg
from app.domain.standing import StandingApproval, evolve
from app.domain.standing_rules import Unfit, enough, judge_giver, may_give, standing_grant, wanted
from app.storage import institutions, roster, standing
from app.storage.standing import StandingRow
from app.tokens.clients import Caller

SHOWN = 200
BATCH = 50


@dataclass(frozen=True, slots=True)
class StandingView:
    """A standing approval for its readers. `state` is `waiting`, `open` or `ended`; `givers`: display names."""

    approval: StandingApproval
    state: str
    ended_because: str | None
    givers: tuple[str, ...]
    wanted: int
    may_join: bool
    may_end: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """The page: all there are, newest first, and whether this visitor may give one."""

    items: tuple[StandingView, ...]
    allowed: bool
    may_give: bool
    institution: Institution
    now: datetime


async def overview(services: Services, visitor: Visitor) -> Overview:
    """The standing approvals of the visitor's institution. Raises `Refused` not-found for whoever has no role."""
    if not visitor.roles:
        raise Refused(NOT_FOUND)
    async with services.database.read() as tx:
        row = await institutions.read(tx, visitor.code)
        rows = await standing.page(tx, visitor.code, SHOWN)
        names = {each.person: each.name for each in await roster.people(tx, visitor.code)}
        now = await tx.now()
    if row is None:
        raise Refused(NOT_FOUND)
    state = Institution.from_data(row.state)
    items = tuple(_view(each, state, names, now, visitor.person) for each in rows)
    allowed = state.policy.standing_approvals_allowed
    anywhere = StandingApproval("", "any", None, (), 1, 1, now)
    return Overview(items, allowed, allowed and may_give(anywhere, state, visitor.person), state, now)


async def page(services: Services, caller: Caller, code: str, limit: int, before: str | None) -> list[StandingView]:
    """A page of an institution's, newest first, one more than `limit` where there is. Raises `Refused` not-found."""
    async with services.database.read() as tx:
        row = await institutions.read(tx, code) if caller.serves(code) else None
        if row is None:
            raise Refused(NOT_FOUND)
        rows = await standing.page(tx, code, limit + 1, before)
        names = {each.person: each.name for each in await roster.people(tx, code)}
        now = await tx.now()
    state = Institution.from_data(row.state)
    return [_view(each, state, names, now, None) for each in rows]


def _view(
    row: StandingRow, institution: Institution, names: dict[str, str], now: datetime, person: str | None
) -> StandingView:
    approval = StandingApproval.from_data(row.state)
    over = now >= approval.not_after
    opened = approval.open_at(now)
    because = approval.ended_because or ("elapsed" if over else None)
    state = "ended" if not opened else "open" if enough(approval, institution) else "waiting"
    return StandingView(
        approval=approval,
        state=state,
        ended_because=because,
        givers=tuple(names.get(giver.person, giver.person) for giver in approval.givers),
        wanted=wanted(approval, institution),
        may_join=person is not None and judge_giver(approval, institution, person, now) is None,
        may_end=person is not None and opened and may_give(approval, institution, person),
    )


async def end(services: Services, who: Visitor | Caller, code: str, standing_id: str) -> None:
    """Take one back, at once. Raises `Refused`: not-found, not-approver, wrong-state.

    By a vendor system the service itself ends it, by the rules: the catalogue knows no client there.
    """
    if not (who.serves(code) if isinstance(who, Caller) else who.code == code):
        raise Refused(NOT_FOUND)
    async with write(services, code) as book:
        approval = await hold(book, standing_id)
        if isinstance(who, Visitor) and not may_give(approval, book.institution, who.person):
            raise Refused(Refusal("not-approver", msg("Only an approver for what was given may take it back.")))
        if not approval.open_at(book.now):
            raise Refused(Refusal("wrong-state", msg("The standing approval is over."), extra=(("status", "ended"),)))
        event = ended_event(approval, "rules")
        if isinstance(who, Visitor):
            event = replace(event, actor=who.actor, data={"because": "approver"})
        await _end(book, approval, event)


async def sweep(services: Services) -> int:
    """Record the ends that time has brought, up to `BATCH`; how many. Raises `Unavailable`."""
    async with services.database.read() as tx:
        over = await standing.over(tx, await tx.now(), BATCH)
    for log, standing_id in over:
        async with write(services, log) as book:
            row = await standing.read(book.tx, log, standing_id)
            approval = None if row is None else await current(services.secrets, book.tx, row)
            if approval is not None and approval.ended_because is None and book.now >= approval.not_after:
                await _end(book, approval, ended_event(approval, "elapsed"))
    return len(over)


async def _end(book: Ledger, approval: StandingApproval, event: Event) -> None:
    entry = book.place(event)
    await save(book.services.secrets, book.tx, book.code, evolve(approval, entry))
    await book.append()


async def hold(book: Ledger, standing_id: str) -> StandingApproval:
    """A standing approval of the locked log. Raises `Refused`: not-found, records-in-doubt."""
    row = await standing.read(book.tx, book.code, standing_id)
    if row is None:
        raise Refused(NOT_FOUND)
    approval = await current(book.services.secrets, book.tx, row)
    if approval is None:
        raise Refused(IN_DOUBT)
    return approval


async def use(held: Held, engineer: str) -> bool:
    """Approve a request, in the append of its creation, on the first standing approval that serves it; if one does.

    `engineer`: the address of its engineer, who is served by nothing that they gave themselves.
    """
    book = held.book
    for approval in await _serving(book, engineer):
        events = standing_grant(held.request, book.institution, approval, book.now, new_id("grt", book.now))
        if not isinstance(events, Unfit):
            book.trust_clock()
            used = evolve(approval, held.tell(*events)[0])
            if used.used >= used.uses:
                used = evolve(used, book.place(ended_event(used, "used")))
            await save(book.services.secrets, book.tx, book.code, used)
            return True
    return False


async def _serving(book: Ledger, engineer: str) -> list[StandingApproval]:
    """Those that may serve a request of this engineer now, oldest first: rows that are as the trail tells them."""
    rows = await standing.unended(book.tx, book.code) if book.institution.policy.standing_approvals_allowed else []
    if not rows or not await book.is_sealed():
        return []
    emails = {each.person: each.email.lower() for each in (await book.around()).people}
    found = [await current(book.services.secrets, book.tx, row) for row in rows]
    return [
        each
        for each in found
        if each is not None
        and each.open_at(book.now)
        and all(emails.get(giver.person) != engineer.lower() for giver in each.givers)
    ]
