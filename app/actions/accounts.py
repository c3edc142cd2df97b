"""The Accounts page: what each vendor account is for, what is found, and what the last scan of each environment saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.actions.findings import FindingView, view_of
from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.actions.signin import Visitor
from app.audit.evidence import EvidenceError, Input, read_evidence
from app.audit.rows import csv_line
from app.domain.accounts import ACCOUNTS, Account
from app.domain.errors import Refused
from app.domain.finding import API_STAFF, IMPL_CHANGED, SUPPORT_ACTIVE, UNMATCHED, closes, may_be_closed
from app.domain.institution import Institution
from app.domain.kinds import VENDOR
from app.domain.scan import Extract, ScanError, User, read_extracts
from app.domain.times import stamp
from app.storage import entries, findings, institutions, objects, scans
from app.storage.database import Transaction
from app.storage.scans import ScanRow

SHOWN_CLOSED = 50
_OF = {SUPPORT_ACTIVE: "exl_support", API_STAFF: "exl_api", IMPL_CHANGED: "exl_impl", UNMATCHED: "exl_impl"}
_COLUMNS = ("id", "kind", "environment", "state", "what", "opened_at", "explanation", "closed_at")


@dataclass(frozen=True, slots=True)
class AccountCard:
    """One account: every name the last scans saw it under, and how many findings about it stand."""

    account: Account
    shown_as: tuple[str, ...]
    findings: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A finding on the page; `closable`: may be closed by this visitor, `answerable`: with words."""

    view: FindingView
    closable: bool
    answerable: bool


@dataclass(frozen=True, slots=True)
class PlaceView:
    """An environment. `extract`: of the last scan, null where none was done or its evidence was erased.

    `newest`: the scan that waits, runs or failed after it. `users` are the vendor's accounts as they were seen.
    """

    name: str
    product: str
    tier: str
    scan: ScanRow | None
    extract: Extract | None
    newest: ScanRow | None
    can_be_scanned: bool
    users: Mapping[str, User]
    others: tuple[User, ...]


@dataclass(frozen=True, slots=True)
class AccountsView:
    """The page; `open` oldest kind of grave first, `closed` the newest of `closed_count`."""

    cards: tuple[AccountCard, ...]
    open: tuple[Listed, ...]
    closed: tuple[FindingView, ...]
    closed_count: int
    places: tuple[PlaceView, ...]
    may_act: bool
    at: datetime


async def overview(services: Services, visitor: Visitor) -> AccountsView:
    """Everything the page shows. Raises `Refused` not-found for whoever has no role, and for the vendor's people."""
    _judge(visitor)
    async with services.database.read() as tx:
        row = await institutions.read(tx, visitor.code)
        if row is None:
            raise Refused(NOT_FOUND)
        state = Institution.from_data(row.state)
        known = set(await scans.places(tx))
        places = tuple([await _place(tx, state, name, known) for name in sorted(state.environments)])
        standing = await findings.not_closed(tx, visitor.code)
        views = [await view_of(tx, each) for each in standing]
        closed = await findings.newest_closed(tx, visitor.code, SHOWN_CLOSED)
        return AccountsView(
            cards=tuple(_card(account, views, places) for account in ACCOUNTS.values()),
            open=tuple(_listed(view, visitor) for view in sorted(views, key=_gravest)),
            closed=tuple([await view_of(tx, each) for each in closed]),
            closed_count=await findings.count_closed(tx, visitor.code),
            places=places,
            may_act=closes(visitor.roles),
            at=await tx.now(),
        )


async def export(services: Services, visitor: Visitor) -> bytes:
    """Every finding as rows of CSV, none of its cells a formula. Raises `Refused` not-found."""
    _judge(visitor)
    lines = [csv_line(_COLUMNS)]
    before: str | None = None
    async with services.database.read() as tx:
        while rows := await findings.page(tx, visitor.code, 200, before):
            before = rows[-1].id
            for row in rows:
                view = await view_of(tx, row)
                closed = "" if row.closed_at is None else stamp(row.closed_at)
                cells = (row.id, row.kind, row.environment or "", row.state, view.what or "", stamp(row.opened_at))
                lines.append(csv_line((*cells, view.explanation or "", closed)))
    return b"".join(lines)


def _judge(visitor: Visitor) -> None:
    if visitor.code == VENDOR or not visitor.roles:
        raise Refused(NOT_FOUND)


def _gravest(view: FindingView) -> tuple[bool, bool, str]:
    return (view.row.kind != UNMATCHED, view.row.state != "open", view.row.id)


def _listed(view: FindingView, visitor: Visitor) -> Listed:
    row, may = view.row, closes(visitor.roles)
    closable = may and may_be_closed(row.found_by, row.kind, row.state)
    answerable = may and may_be_closed(row.found_by, row.kind, "explained")
    return Listed(view, closable, answerable)


def _card(account: Account, views: Sequence[FindingView], places: Sequence[PlaceView]) -> AccountCard:
    seen = [place.users[account.id].name for place in places if account.id in place.users]
    found = sum(1 for view in views if _OF.get(view.row.kind) == account.id)
    return AccountCard(account, tuple(dict.fromkeys(seen)), found)


async def _place(tx: Transaction, state: Institution, name: str, known: set[tuple[str, str]]) -> PlaceView:
    environment = state.environments[name]
    scan = await scans.newest(tx, state.code, name, done=True)
    newest = await scans.newest(tx, state.code, name, done=False)
    extract = None if scan is None else await _extract(tx, scan)
    seen = () if extract is None else extract.seen
    return PlaceView(
        name=name,
        product=environment.product,
        tier=environment.tier,
        scan=scan,
        extract=extract,
        newest=newest if newest is not None and newest.state != "done" else None,
        can_be_scanned=(state.code, name) in known,
        users={user.account: user for user in seen if user.account is not None},
        others=tuple(user for user in seen if user.account is None),
    )


async def _extract(tx: Transaction, scan: ScanRow) -> Extract | None:
    """What was kept of a scan; null where it was erased."""
    if scan.idx is None:
        return None
    stored = await entries.read_leaves(tx, scan.log, scan.idx, scan.idx + 1)
    named: Sequence[str] = stored[0].entry.data["evidence"] if stored else ()
    blobs = await objects.read_many(tx, scan.log, list(named))
    try:
        read = [read_evidence(blobs[digest]) for digest in named]
        return read_extracts([each.data for each in read if isinstance(each, Input)])
    except (KeyError, EvidenceError, ScanError):
        return None
