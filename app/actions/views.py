"""What readers get: a request as its entries and private parts tell it, with the status of the clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from app.domain.institution import Institution, eligible
from app.domain.request import AccessRequest, Status, Terms, approvals, created, evolve, status_at
from app.storage import clients, entries, institutions, roster
from app.storage.database import Transaction
from app.storage.institutions import InstitutionRow
from app.storage.leaves import Stored, request_of
from app.storage.requests import RequestRow
from app.storage.roster import RosterRow
from app.trail import canonical
from app.trail.log import parse_private

VENDOR = "VENDOR"
_TOLD = (
    *("request.created", "decision.made", "message.sent", "mail.queued", "request.revoked", "request.completed"),
    "request.disputed",
)


@dataclass(frozen=True, slots=True)
class DecisionView:
    """One vote. `by` is a display name; `person` stays inside the institution."""

    index: int
    verdict: str
    by: str
    person: str
    at: datetime
    comment: str
    terms: Terms | None


@dataclass(frozen=True, slots=True)
class DisputeView:
    """The institution's objection to a completion report, and the finding that it opened."""

    by: str
    at: datetime
    text: str
    finding: str
    index: int


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message; `side` is `institution` or `vendor`."""

    side: str
    by: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class PersonView:
    """Somebody of the roster: when they were first told of the request, and whether they could answer it now."""

    id: str
    name: str
    email: str
    roles: tuple[str, ...]
    told_at: datetime | None
    can_answer: bool


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request whole. `asked`: the private fields of its `request.created`; `required`, `given`: its approvals."""

    row: RequestRow
    request: AccessRequest
    status: Status
    now: datetime
    institution: Institution
    institution_name: str
    vendor_name: str
    client_name: str
    asked: Mapping[str, str | None]
    decisions: tuple[DecisionView, ...]
    messages: tuple[MessageView, ...]
    people: tuple[PersonView, ...]
    required: int
    given: int
    last_index: int
    ended_by: str | None
    report: str | None
    dispute: DisputeView | None

    @property
    def check_code(self) -> str:
        """What the vendor's case, the mail and the page all show."""
        return check_code(self.request.digest)

    @property
    def etag(self) -> str:
        """A strong entity tag (RFC 9110, section 8.8.3): over the version stored, what the clock made of it, and
        whatever else of the institution, its people or the retention of private parts shows in the request.
        """
        shown = (self.row.version, self.status, self.required, self.given, self.decisions, self.messages)
        digest = sha256(repr((*shown, sorted(self.asked.items()), self.ended_by)).encode())
        return f'"{digest.hexdigest()[:32]}"'


def check_code(digest: str) -> str:
    """The check code of a request digest: its first 40 bits."""
    return canonical.code(bytes.fromhex(digest.removeprefix("sha256:")), 8)


@dataclass(frozen=True, slots=True)
class Around:
    """What no entry of an institution's log tells in the clear: the vendor's name, and who its people are."""

    vendor_name: str
    people: tuple[RosterRow, ...]


async def around(tx: Transaction, code: str) -> Around:
    """Read what stands round a log."""
    vendor_name, people = await roster.people_beside(tx, code, VENDOR)
    return Around(vendor_name, tuple(people))


async def view(tx: Transaction, row: RequestRow, now: datetime) -> RequestView:
    """One request."""
    institution = await institutions.read(tx, row.log)
    if institution is None:  # no foreign key leads there, so say it aloud
        raise LookupError(row.log)
    return await view_of(tx, row, now, institution, await around(tx, row.log))


async def view_of(
    tx: Transaction, row: RequestRow, now: datetime, institution: InstitutionRow, known: Around
) -> RequestView:
    """One request, where its institution was read already."""
    client = await clients.read(tx, row.client)
    told = (await entries.of_requests(tx, row.log, [row.id], _TOLD))[row.id]
    name = row.client if client is None else client.name
    return view_told(row, now, institution, known, name, told)


def view_told(
    row: RequestRow,
    now: datetime,
    institution: InstitutionRow,
    known: Around,
    client_name: str,
    told: Iterable[Stored],
) -> RequestView:
    """One request, where everything was read already: `told` are the entries that belong to it, by rising index."""
    people = {person.person: (person.name, person.email) for person in known.people}
    of_view = [each for each in told if each.entry.type in _TOLD and request_of(each.entry) == row.id]
    return _Reading(institution, known.vendor_name, client_name, people, of_view).view(row, now)


async def view_at(tx: Transaction, row: RequestRow, last: int) -> RequestView:
    """One request as it was after the entry of an index, folded from its own entries; what was erased since is gone."""
    told = [each for each in await entries.entries_of(tx, row.log, row.id) if each.entry.index <= last]
    own = [each for each in told if each.entry.subject == row.id]
    request = created(own[0].entry, canonical.sha(own[0].leaf))
    for each in own[1:]:
        request = evolve(request, each.entry)
    known, institution = await around(tx, row.log), await institutions.read(tx, row.log)
    if institution is None:  # no foreign key leads there, so say it aloud
        raise LookupError(row.log)
    client = await clients.read(tx, row.client)
    people = {person.person: (person.name, person.email) for person in known.people}
    name = row.client if client is None else client.name
    shown = [each for each in told if each.entry.type in _TOLD]
    reading = _Reading(institution, known.vendor_name, name, people, shown)
    return reading.view(replace(row, state=request.to_data()), own[-1].entry.at)


async def views(tx: Transaction, rows: Sequence[RequestRow], now: datetime) -> tuple[RequestView, ...]:
    """Many requests in their order, read institution by institution."""
    vendor = await institutions.read(tx, VENDOR)
    vendor_name = vendor.name if vendor is not None else ""
    names = {client.id: client.name for client in await clients.read_all(tx)} if rows else {}
    made: dict[str, RequestView] = {}
    for code in sorted({row.log for row in rows}):
        own = [row for row in rows if row.log == code]
        institution = await institutions.read(tx, code)
        if institution is None:  # no foreign key leads there, so say it aloud
            raise LookupError(code)
        people = {person.person: (person.name, person.email) for person in await roster.people(tx, code)}
        told = await entries.of_requests(tx, code, [row.id for row in own], _TOLD)
        for row in own:
            reading = _Reading(institution, vendor_name, names.get(row.client, row.client), people, told[row.id])
            made[row.id] = reading.view(row, now)
    return tuple(made[row.id] for row in rows)


def private_fields(stored: Stored) -> Mapping[str, str | None]:
    """The private fields of an entry; nothing where they were erased."""
    return {} if stored.private is None else parse_private(stored.private).fields


@dataclass(frozen=True, slots=True)
class _Reading:
    institution: InstitutionRow
    vendor_name: str
    client_name: str
    people: Mapping[str, tuple[str, str]]
    told: Sequence[Stored]

    def view(self, row: RequestRow, now: datetime) -> RequestView:
        request, state = AccessRequest.from_data(row.state), Institution.from_data(self.institution.state)
        asked = private_fields(self.told[0])
        required, given = approvals(request, state, now)
        return RequestView(
            row=row,
            request=request,
            status=status_at(request, now),
            now=now,
            institution=state,
            institution_name=self.institution.name,
            vendor_name=self.vendor_name,
            client_name=self.client_name,
            asked=asked,
            decisions=tuple(map(self._decision, self._of("decision.made"))),
            messages=tuple(self._message(each, asked) for each in self._of("message.sent")),
            people=tuple(self._people(state, request)),
            required=required,
            given=given,
            last_index=self.told[-1].entry.index,
            ended_by=self._ended_by(),
            report=self._report(),
            dispute=self._dispute(),
        )

    def _of(self, type_: str) -> list[Stored]:
        return [each for each in self.told if each.entry.type == type_]

    def _name(self, person: str) -> str:
        return self.people.get(person, (person, ""))[0]

    def _decision(self, stored: Stored) -> DecisionView:
        entry = stored.entry
        terms = None if entry.data["terms"] is None else Terms.from_data(entry.data["terms"])
        comment = private_fields(stored).get("comment") or ""
        by = self._name(entry.actor.id)
        return DecisionView(entry.index, entry.data["verdict"], by, entry.actor.id, entry.at, comment, terms)

    def _message(self, stored: Stored, asked: Mapping[str, str | None]) -> MessageView:
        entry = stored.entry
        by = self._name(entry.actor.id) if entry.actor.kind == "person" else asked.get("engineer_name") or ""
        return MessageView(entry.data["from"], by, entry.at, private_fields(stored).get("text") or "")

    def _ended_by(self) -> str | None:
        ending = [each.entry for each in self.told if each.entry.type in {"request.revoked", "request.completed"}]
        return self._name(ending[-1].actor.id) if ending and ending[-1].actor.kind == "person" else None

    def _report(self) -> str | None:
        told = self._of("request.completed")
        return (private_fields(told[-1]).get("summary") or "") if told else None

    def _dispute(self) -> DisputeView | None:
        told = self._of("request.disputed")
        if not told:
            return None
        entry = told[-1].entry
        text = private_fields(told[-1]).get("text") or ""
        return DisputeView(self._name(entry.actor.id), entry.at, text, entry.data["finding"], entry.index)

    def _people(self, state: Institution, request: AccessRequest) -> list[PersonView]:
        product = state.environments[request.environment].product
        first: dict[str, datetime] = {}
        for each in self._of("mail.queued"):
            for person in each.entry.data["to"]:
                first.setdefault(person, each.entry.at)
        return [
            PersonView(key, *self.people[key], person.held, first.get(key), eligible(state, key, product))
            for key, person in state.people.items()
            if key in self.people and (key in first or person.decides_for(product))
        ]
