"""Who is told what: facts put into the outbox, and the event that says so, in the transaction of the change.

One message a reader, each with its own `mail.queued`; the receipt in it is made later, when that event is committed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from app.actions.digests import Digests, gather
from app.actions.ledger import Ledger
from app.actions.mail_queue import Place, Readers, domain_of, enqueue
from app.actions.subject import Subject
from app.actions.views import check_code
from app.domain.institution import Institution, admins, told_first, told_later
from app.domain.request import AccessRequest, Grant, approvals
from app.notify import facts as told
from app.notify.facts import (
    ApprovalNeeded,
    Conversation,
    ImplementationNotice,
    Outcome,
    Remark,
    RequestFacts,
    SessionNotice,
)
from app.notify.settings_facts import ChangeFacts, Item, News
from app.storage.roster import RosterRow

PLAIN_LINK = re.compile(r"https?://[!-~]+")
PRODUCTS = {"alma": "Alma", "primo_ve": "Primo VE", "leganto": "Leganto", "esploro": "Esploro"}


RequestMail = ApprovalNeeded | Outcome | Conversation | ImplementationNotice | SessionNotice


class Post:
    """The mails of one request, queued under the lock of its log; `post` reads what they are made of."""

    def __init__(
        self,
        held: Subject,
        asked: dict[str, str | None],
        vendor: str,
        people: Sequence[RosterRow],
        digests: Digests | None,
    ) -> None:
        self._held = held
        self._asked = asked
        self._vendor = vendor
        self._name = held.book.row.name
        self._digests = digests
        self._people = {row.person: row for row in people if not row.removed}

    @property
    def _book(self) -> Ledger:
        return self._held.book

    def approvers(self) -> list[RosterRow]:
        """Approvers of the product who are not away; backup approvers too while one is away or nobody is left."""
        return self._rows(told_first)

    def waited_for(self) -> list[RosterRow]:
        """Of the approvers, those who have not voted."""
        voted = {vote.person for vote in self._held.request.votes}
        return [reader for reader in self.approvers() if reader.person not in voted]

    def backups(self) -> list[RosterRow]:
        """The backup approvers of the product, for an escalation."""
        return self._rows(told_later)

    def _rows(self, told: Callable[[Institution, str, datetime], Sequence[str]]) -> list[RosterRow]:
        state = self._book.institution
        product = state.environments[self._held.request.environment].product
        return [self._people[person] for person in told(state, product, self._book.now) if person in self._people]

    def needed(self, kind: Literal["request", "reminder", "escalation"], readers: Iterable[RosterRow]) -> list[str]:
        """Tell readers that a request waits; the ids of those told."""
        readers = list(readers)
        state, request = self._book.institution, self._held.request
        required, given = approvals(request, state, self._book.now)
        host = urlsplit(state.provider.issuer).hostname or state.provider.issuer
        for reader in readers:
            facts = self._facts(request, "backup_approver" if kind == "escalation" else "approver", "approval")
            if not self._grouped(kind, [reader]):
                self._queue(ApprovalNeeded(kind, facts, len(readers), required, given, host), [reader])
        return [reader.person for reader in readers]

    def outcome(self, result: told.Result, *, by: str | None, because: told.Because | None, words: str = "") -> None:
        """Tell approvers and the engineer what became of the request."""
        request = self._held.request
        grant = request.grant
        ground: told.Ground = "approval" if grant is None else _ground(grant.ground)
        details: dict[str, Any] = {"by": by, "because": because, "words": words}
        if grant is not None:
            details |= {"start": grant.not_before, "end": grant.not_after, "roles": grant.roles}
            details |= {"ended_at": grant.ended_at, "calendar_uid": self._calendar_uid(grant)}
        readers = self.approvers()
        if result == "disputed":  # what is wrong with the work concerns those who keep the institution too
            ids = admins(self._book.institution)
            readers += [row for row in self._people.values() if row.person in ids and row not in readers]
        for reader in readers:
            if not (result in {"expired", "withdrawn"} and self._grouped(cast("News", result), [reader])):
                self._queue(Outcome(self._facts(request, "approver", ground), result, **details), [reader])
        self._to_engineer(Outcome(self._facts(request, "engineer", ground), result, **details))

    def implementation(self) -> None:
        """Tell approvers and the institution's notification addresses that access was given on that ground."""
        grant = self._held.request.grant
        if grant is None:
            return
        span = grant.not_before, grant.not_after
        for reader in self.approvers():
            if not self._grouped("implementation", [reader]):
                facts = self._facts(self._held.request, "approver", "implementation")
                self._queue(ImplementationNotice(facts, *span, self._calendar_uid(grant)), [reader])
        notice = self._facts(self._held.request, "notice", "implementation")
        for address in self._book.row.notify:
            if not self._grouped("implementation", [], [address]):
                self._queue(ImplementationNotice(notice, *span), [], [address])

    def session(
        self, event: Literal["opened", "ended"], session: str, opened_at: datetime, by: str | None, **details: Any
    ) -> None:
        """Tell approvers that a session was opened, or is over, with the way to its page; `by` is the gateway's client,
        null at the gate.
        """
        request = self._held.request
        grant = request.grant
        if grant is None:
            return
        until = grant.not_after if grant.ended_at is None and self._book.now < grant.not_after else None
        for reader in self.approvers():
            facts = self._facts(request, "approver", _ground(grant.ground))
            facts = replace(facts, link=self._book.services.page(f"/sessions/{session}"))
            self._queue(SessionNotice(event, facts, opened_at, until, by, **details), [reader])

    def message(self, remark: Remark, earlier: Remark | None, *, but: str | None = None) -> None:
        """Tell of a message: the other side, and the sender's colleagues where the institution wrote."""
        request, pending = self._held.request, self._held.request.status == "pending"
        ground: told.Ground = "approval" if request.grant is None else _ground(request.grant.ground)
        for reader in self.approvers():
            if reader.person != but:
                facts = self._facts(request, "approver", ground)
                self._queue(Conversation(facts, pending, remark, earlier), [reader])
        if remark.side == "institution":
            self._to_engineer(Conversation(self._facts(request, "engineer", "approval"), pending, remark, earlier))

    def _facts(self, request: AccessRequest, reader: told.Reader, ground: told.Ground) -> RequestFacts:
        state = self._book.institution
        environment = state.environments[request.environment]
        link = self._book.services.page(f"/r/{self._held.row.short}")
        if reader == "engineer":
            case = self._asked.get("case_url") or ""
            link = case if PLAIN_LINK.fullmatch(case) else self._book.services.page(f"/v1/access-requests/{request.id}")
        return RequestFacts(
            reader=reader,
            at=self._book.now,
            institution=self._name,
            code=self._book.code,
            locale=state.locale,
            time_zone=state.time_zone,
            vendor=self._vendor,
            product=PRODUCTS[environment.product],
            tier="production" if environment.tier == "production" else "sandbox",
            account=request.account,
            engineer=self._asked.get("engineer_name") or "",
            engineer_id=self._asked.get("engineer_id") or "",
            case_number=request.case_number,
            case_title=self._asked.get("case_title") or "",
            number=request.number,
            check_code=check_code(request.digest),
            asked_at=request.created_at,
            decide_by=request.decide_by,
            start=request.asked.not_before,
            end=request.asked.not_after,
            minutes=request.asked.minutes,
            roles=request.asked.roles,
            ground=ground,
            link=link,
        )

    def _to_engineer(self, facts: RequestMail) -> None:
        address = self._asked.get("engineer_email")
        if address:
            self._queue(facts, [], [address])

    def _calendar_uid(self, grant: Grant) -> str:
        return f"{grant.id}@{domain_of(self._book)}"

    def _grouped(self, news: News, readers: Sequence[RosterRow], addresses: Sequence[str] = ()) -> bool:
        """Put a notice into its reader's digest; false while mails do not come thick."""
        if self._digests is None:
            return False
        book, state, request = self._book, self._book.institution, self._held.request
        environment, span = state.environments[request.environment], request.grant or request.asked
        frame = ChangeFacts(
            reader="giver" if readers else "address",
            at=book.now,
            institution=self._name,
            code=book.code,
            locale=state.locale,
            time_zone=state.time_zone,
            link=book.services.page("/requests"),
        )
        item = Item(
            news=news,
            at=book.now,
            product=PRODUCTS[environment.product],
            tier="production" if environment.tier == "production" else "sandbox",
            case_number=request.case_number,
            number=request.number,
            check_code=check_code(request.digest),
            decide_by=request.decide_by,
            start=span.not_before,
            end=span.not_after,
            minutes=request.asked.minutes,
        )
        to = Readers(tuple(reader.email for reader in readers) or tuple(addresses), _ids(readers))
        self._digests.add(item, frame, to, self._held.row.id, self._admins())
        return True

    def _queue(self, facts: RequestMail, readers: Sequence[RosterRow], addresses: Sequence[str] = ()) -> None:
        begins = facts.kind in {"request", "implementation"} or (
            isinstance(facts, Outcome) and facts.result == "approved" and facts.request.ground == "standing"
        )
        to = Readers(tuple(reader.email for reader in readers) or tuple(addresses), _ids(readers))
        place = Place(self._held.row.id, self._held.row.id, begins)
        enqueue(self._book, facts, to, place, [] if facts.request.reader == "engineer" else self._admins())

    def _admins(self) -> list[str]:
        ids = admins(self._book.institution)
        return sorted(row.email for row in self._people.values() if row.person in ids)


async def post(held: Subject, asked: dict[str, str | None] | None = None, thick: tuple[str, ...] = ()) -> Post:
    """The mails of a held request; `asked` are its private fields where the caller has them already.

    Where `thick` types of events came thick, those of their mails that can wait join a digest.
    """
    known = await held.book.around()
    asked = await held.asked() if asked is None else asked
    digests = await gather(held.book, known.vendor_name, thick) if thick else None
    return Post(held, asked, known.vendor_name, known.people, digests)


def _ids(readers: Iterable[RosterRow]) -> tuple[str, ...]:
    return tuple(reader.person for reader in readers)


def _ground(ground: str) -> told.Ground:
    return "implementation" if ground == "implementation" else "standing" if ground == "standing" else "approval"
