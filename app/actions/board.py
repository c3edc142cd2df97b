"""The list of requests with what stands round it: the days of a week, sessions, and what waits elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.actions.reviews import SHOWN
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.views import RequestView, views
from app.actions.windows import Day, by_day, windows
from app.domain.institution import Institution
from app.domain.policy import Policy
from app.domain.reconciled_days import day_span
from app.domain.reconciliation import lasted
from app.domain.window import Span
from app.storage import findings, institutions, proposals, requests, sessions
from app.storage.database import Transaction
from app.storage.requests import Filter
from app.storage.sessions import LIVING, SessionRow


@dataclass(frozen=True, slots=True)
class Board:
    """The newest requests of an institution. `used`: how long sessions on a request lasted so far; `in_use`: the
    session that goes on; `week`: the days from a Monday on; `findings`, `changes`: how many are not closed, and
    wait; `gravest`: one is a sign-in that no approval covers.
    """

    views: tuple[RequestView, ...]
    used: Mapping[str, timedelta]
    in_use: Mapping[str, str]
    week: tuple[Day, ...]
    findings: int
    gravest: bool
    changes: int
    policy: Policy
    now: datetime


async def board(services: Services, visitor: Visitor, of: date | None) -> Board | None:
    """The board with the week that holds a day, or the present one; null for a visitor without a role."""
    if not visitor.roles:
        return None
    zone = ZoneInfo(visitor.time_zone)
    async with services.database.read() as tx:
        now = await tx.now()
        institution = await institutions.read(tx, visitor.code)
        if institution is None:  # whoever is signed in is of one, so say it aloud
            raise LookupError(visitor.code)
        rows = await requests.find(tx, Filter((visitor.code,)), SHOWN)
        seen = await views(tx, rows, now)
        held = await sessions.of_requests(tx, visitor.code, [row.id for row in rows])
        day = of or now.astimezone(zone).date()
        days = [day - timedelta(days=day.weekday() - n) for n in range(7)]
        open_findings = await findings.not_closed(tx, visitor.code)
        return Board(
            views=seen,
            used=_used(held, now),
            in_use={row.request: row.id for row in held if row.state in LIVING and now < row.not_after},
            week=await _days(tx, visitor.code, days, zone, now),
            findings=len(open_findings),
            gravest=any(each.kind == "sign-in-unmatched" for each in open_findings),
            changes=len(await proposals.waiting(tx, visitor.code)),
            policy=Institution.from_data(institution.state).policy,
            now=now,
        )


async def _days(tx: Transaction, code: str, days: Sequence[date], zone: ZoneInfo, now: datetime) -> tuple[Day, ...]:
    whole = Span(day_span(days[0], zone).start, day_span(days[-1], zone).end)
    return by_day(await windows(tx, code, whole, now), days, zone)


def _used(held: Sequence[SessionRow], now: datetime) -> dict[str, timedelta]:
    used: dict[str, timedelta] = {}
    for row in held:
        length = max(lasted(row.ended_at, row.not_after, now) - row.opened_at, timedelta())
        used[row.request] = used.get(row.request, timedelta()) + length
    return used
