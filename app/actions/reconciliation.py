"""Sign-in reconciliation: what an environment recorded of the vendor's accounts, matched to sessions; what matches none
is a finding, opened once however often its record comes again.

The records are judged under the lock of the log, by the sessions that this service itself sealed, and only the extract
of them that is judged is kept as evidence. So the verifier does it all again from the trail, and finds the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from app.actions.finding_life import Sight, close_findings, key_of, open_findings, unseen
from app.actions.finding_mails import tell_findings
from app.actions.findings import SCOPE
from app.actions.ledger import NOT_FOUND, Ledger, unwrap, write
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.views import private_fields
from app.actions.watched import unforged
from app.audit.evidence import input_blob
from app.domain import reconciled_days as calendar
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.finding import NOT_RECONCILED
from app.domain.institution import Institution
from app.domain.kinds import is_code
from app.domain.languages import msg, told
from app.domain.reconciliation import IMPL, TOLERANCE, Match, SignIn, Stay, describe, kind_of, lasted, match
from app.domain.session import ENDED, State
from app.domain.sign_in_extract import Extract
from app.domain.sign_in_rows import address
from app.domain.times import stamp
from app.domain.window import Span
from app.storage import entries, findings, institutions, objects, sessions, sign_ins
from app.storage.objects import EvidenceRow
from app.storage.sessions import SessionRow
from app.storage.sign_ins import ReconciliationRow, SignInRow
from app.tokens.clients import Caller
from app.trail import canonical

LONGEST = timedelta(days=400)
"""The longest period that is judged at once."""
MAX_UNMATCHED = 2_000
"""So many sign-ins at once that match nothing are of another environment or zone."""
MAX_DAYS = 62
"""Days left out for which findings are opened at once: the last of them."""
_JSON: Final = "application/json"
_GIVERS = frozenset({"approver", "backup_approver", "admin"})
_NOT_GIVER = Refusal("forbidden", msg("Sign-in records are given by approvers and admins of the institution."))
_TOO_MANY = Refusal.of_field(
    "/records",
    told(
        "More than %(max_unmatched)s new sign-ins match no session. Look whether environment and "
        "time zone are right; where they are, give a shorter period.",
        max_unmatched=MAX_UNMATCHED,
    ),
)
_Judged = tuple[bytes, SignIn, Match | None]
"""The key of a new sign-in, the sign-in, and what it matches."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was given: the sign-ins of vendor accounts among `rows` records of whomever, by their keys.

    `sha256`: of the whole input; `broken`: how many of its rows could not be used, `unread`: how many of those may be
    a sign-in of these days. Records of which some cannot be read are matched, and make no day reconciled.
    """

    environment: str
    begins: datetime
    ends: datetime
    source: Literal["institution", "vendor"]
    sign_ins: Mapping[bytes, SignIn]
    sha256: str
    rows: int
    broken: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How many sign-ins of the vendor's accounts there were, how many match, and the findings that are new."""

    records: int
    matched: int
    opened: tuple[str, ...]


def may_give(visitor: Visitor) -> bool:
    """Whether a person of an institution gives sign-in records."""
    return not _GIVERS.isdisjoint(visitor.roles)


def admit(who: Caller | Visitor, code: str) -> Actor:
    """Who gives records of an institution. Raises `Refused`: not-found, insufficient-scope, forbidden."""
    if isinstance(who, Visitor):
        if who.code != code:
            raise Refused(NOT_FOUND)
        if not may_give(who):
            raise Refused(_NOT_GIVER)
        return who.actor
    if not is_code(code) or not who.serves(code):
        raise Refused(NOT_FOUND)
    if SCOPE not in who.scopes:
        raise Refused(Refusal("insufficient-scope", f"This needs the scope {SCOPE}.", extra=(("scope", SCOPE),)))
    return Actor("client", who.cli)


async def time_zone(services: Services, who: Caller | Visitor, code: str) -> ZoneInfo:
    """The zone of an institution, for times without an offset. Raises `Refused` as `admit`."""
    admit(who, code)
    async with services.database.read() as tx:
        row = await institutions.read(tx, code)
    if row is None:
        raise Refused(NOT_FOUND)
    return ZoneInfo(Institution.from_data(row.state).time_zone)


def judge_period(begins: datetime, ends: datetime) -> Refusal | None:
    """Why this is no period that can be judged; null where it is one."""
    if begins >= ends:
        return Refusal.of_field("/to", msg("The period ends after it begins."))
    if ends - begins > LONGEST:
        return Refusal.of_field("/to", told("At most %(days)s days at once; give a shorter period.", days=LONGEST.days))
    return None


async def reconcile(services: Services, who: Caller | Visitor, code: str, given: Given) -> Reconciled:
    """Match what was given, record it, open what it finds. The same records again find nothing new.

    Raises `Refused`: not-found, insufficient-scope, forbidden, environment-unknown, validation.
    """
    actor = admit(who, code)
    kept = await asyncio.to_thread(extracted, given)  # before the lock, and where nobody waits for it
    async with write(services, code) as book:
        outcome = await _judge(book, actor, given, kept)
    return unwrap(outcome)


async def _judge(book: Ledger, actor: Actor, given: Given, kept: Mapping[str, bytes]) -> Reconciled | Refusal:
    if given.environment not in book.institution.environments:
        return Refusal.of_field("/environment", msg("The institution has no such environment."), "environment-unknown")
    if (refusal := judge_period(given.begins, given.ends)) is not None:
        return refusal
    keys, records = list(given.sign_ins), list(given.sign_ins.values())
    matches = await asyncio.to_thread(match, records, await stays(book, given))
    before = await sign_ins.known(book.tx, book.code, given.environment, keys)
    fresh = [
        (key, record, found) for key, record, found in zip(keys, records, matches, strict=True) if key not in before
    ]
    if sum(found is None for _, _, found in fresh) > MAX_UNMATCHED:
        return _TOO_MANY
    matched = sum(found is not None for found in matches)
    place = book.next_index
    await _tell(book, actor, given, matched, kept)
    opened = await _open(book, actor, given, fresh)
    rows = [_row(book, given, place, each, opened.get(each[0])) for each in fresh]
    span = (given.begins, given.ends, given.source, len(records), matched, book.now, given.unread)
    await sign_ins.add(book.tx, ReconciliationRow(book.code, place, given.environment, *span), rows)
    await _keep_days(book, actor, given)
    await book.append()
    return Reconciled(len(records), matched, tuple(opened[key] for key, _, _ in fresh if key in opened))


async def stays(book: Ledger, given: Given) -> list[Stay]:
    """The sessions that may cover what was given: of `exl_impl`, written by this service, none beyond its grant."""
    early, late = given.begins - TOLERANCE, given.ends + TOLERANCE
    rows = await sessions.during(book.tx, book.code, given.environment, early, late)
    rows = [row for row in rows if row.account == IMPL and unforged(book.services.secrets, row)]
    told = await entries.read_at(book.tx, book.code, [row.opened_index for row in rows])
    addresses = {each.entry.subject: address(private_fields(each).get("ip")) for each in told}
    return [_stay(row, addresses.get(row.id), book.now) for row in rows]


def _stay(row: SessionRow, ip: str | None, now: datetime) -> Stay:
    over = row.ended_at if State(row.state) in ENDED else None
    return Stay(row.id, row.request, row.grant, row.opened_at, lasted(over, row.not_after, now), ip)


def extracted(given: Given) -> dict[str, bytes]:
    """The extract that is judged, as evidence by its digests."""
    extract = Extract(
        environment=given.environment,
        begins=given.begins,
        ends=given.ends,
        source=given.source,
        sha256=given.sha256,
        rows=given.rows,
        broken=given.broken,
        sign_ins=tuple(given.sign_ins.values()),
    )
    blobs = [input_blob(_JSON, canonical.encode(part.to_data())) for part in extract.parts()]
    return {canonical.sha(blob): blob for blob in blobs}


async def _tell(book: Ledger, actor: Actor, given: Given, matched: int, kept: Mapping[str, bytes]) -> None:
    """Keep the extract, and gather the event that says so."""
    for digest, blob in kept.items():
        await objects.put(book.tx, EvidenceRow(book.code, digest, blob))
    data = {
        "environment": given.environment,
        "from": stamp(given.begins),
        "to": stamp(given.ends),
        "source": given.source,
        "records": len(given.sign_ins),
        "matched": matched,
        "evidence": sorted(kept),
    }
    book.add(Event("sign_ins.reconciled", book.code, actor, data))


async def _open(book: Ledger, actor: Actor, given: Given, fresh: Sequence[_Judged]) -> dict[bytes, str]:
    """Open a finding for each new sign-in that matches none, and tell of it; their ids by the key of the sign-in."""
    zone = ZoneInfo(book.institution.time_zone)
    sights = {
        key: Sight(
            kind_of(record), given.environment, "sign-ins", describe(record, given.environment, zone), (key.hex(),)
        )
        for key, record, found in fresh
        if found is None
    }
    rows = await open_findings(book, actor, list(sights.values()))
    await tell_findings(book, [(row, sight.what) for row, sight in zip(rows, sights.values(), strict=True)])
    return {key: row.id for key, row in zip(sights, rows, strict=True)}


def _sight(environment: str, key: bytes, sign_in: SignIn, zone: ZoneInfo) -> Sight:
    return Sight(kind_of(sign_in), environment, "sign-ins", describe(sign_in, environment, zone), (key.hex(),))


def _row(book: Ledger, given: Given, place: int, judged: _Judged, finding: str | None) -> SignInRow:
    key, record, found = judged
    where = (book.code, given.environment, key, record.readings[0], record.account)
    if found is None:
        return SignInRow(*where, None, None, None, finding, place)
    return SignInRow(*where, found.stay.session, found.stay.request, found.confidence, None, place)


async def _keep_days(book: Ledger, actor: Actor, given: Given) -> None:
    """Open a finding for each day that was left out, and close those of days for which records are here now."""
    zone = ZoneInfo(book.institution.time_zone)
    told = await sign_ins.reconciled(book.tx, book.code, given.environment)
    known = sign_ins.covered(told)
    missing = calendar.left_out(known, zone, MAX_DAYS)
    await open_findings(book, actor, await unseen(book, [_day(given.environment, day) for day in missing]))
    here = [
        _day(given.environment, day)
        for day in calendar.days(Span(given.begins, given.ends), zone)
        if calendar.given(day, known, zone) is calendar.Given.WHOLE
    ]
    keys = [key for sight in here if (key := key_of(book, sight)) is not None]
    await close_findings(book, actor, list((await findings.standing(book.tx, book.code, keys)).values()))


def _day(environment: str, day: date) -> Sight:
    what = f"No sign-in records of {environment} were given for the whole of {day.isoformat()}."
    return Sight(NOT_RECONCILED, environment, "sign-ins", what, (day.isoformat(),))
