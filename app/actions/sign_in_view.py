"""Sign-ins of an environment beside the windows that were approved, day by day, for people of the institution."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.actions.ledger import NOT_FOUND
from app.actions.reconciliation import may_give
from app.actions.services import Services
from app.actions.signin import Visitor
from app.domain import reconciled_days as calendar
from app.domain.errors import Refused
from app.domain.institution import Institution
from app.domain.kinds import VENDOR
from app.domain.reconciled_days import Given, Period
from app.domain.reconciliation import lasted
from app.domain.request import AccessRequest
from app.domain.window import Span, clip
from app.storage import institutions, requests, sessions, sign_ins
from app.storage.database import Transaction
from app.storage.sign_ins import ReconciliationRow, SignInRow

DAYS = 14
MOST = 1_000
"""Sign-ins that are drawn and listed: the newest."""


@dataclass(frozen=True, slots=True)
class WindowShown:
    """What of a grant's window lies in a day; `cut`: when it was ended before its time, where that is in the day."""

    number: str
    request: str
    span: Span
    cut: datetime | None


@dataclass(frozen=True, slots=True)
class DayShown:
    """One day of the institution's zone. `given`: null where it is not over yet."""

    day: date
    span: Span
    given: Given | None
    windows: tuple[WindowShown, ...]
    sessions: tuple[Span, ...]
    sign_ins: tuple[SignInRow, ...]


@dataclass(frozen=True, slots=True)
class SignInsShown:
    """The picture of one environment. `more`: there are sign-ins of these days that are not shown."""

    environment: str
    product: str
    tier: str
    days: tuple[DayShown, ...]
    told: tuple[ReconciliationRow, ...]
    numbers: dict[str, str]
    more: bool
    others: tuple[str, ...]
    may_give: bool
    now: datetime


async def sign_ins_of(services: Services, visitor: Visitor, environment: str | None) -> SignInsShown:
    """The last two weeks of an environment, the first by name where none is asked. Raises `Refused` not-found."""
    if visitor.code == VENDOR or not visitor.roles:
        raise Refused(NOT_FOUND)
    async with services.database.read() as tx:
        row = await institutions.read(tx, visitor.code)
        state = None if row is None else Institution.from_data(row.state)
        if state is None or not state.environments or environment not in {None, *state.environments}:
            raise Refused(NOT_FOUND)
        name = min(state.environments) if environment is None else environment
        return await _shown(tx, state, name, visitor)


async def _shown(tx: Transaction, state: Institution, name: str, visitor: Visitor) -> SignInsShown:
    now, zone = await tx.now(), ZoneInfo(state.time_zone)
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]
    whole = Span(calendar.day_span(days[0], zone).start, calendar.day_span(today, zone).end)
    told = await sign_ins.reconciled(tx, state.code, name)
    seen = await sign_ins.of_environment(tx, state.code, name, whole.start, whole.end, MOST + 1)
    known = _Known(
        now=now,
        zone=zone,
        given=calendar.covered(Period(each.begins, each.ends, each.at) for each in told),
        granted=await _granted(tx, state.code, name, whole),
        stays=await _stays(tx, state.code, name, whole, now),
        sign_ins=seen[:MOST],
    )
    return SignInsShown(
        environment=name,
        product=state.environments[name].product,
        tier=state.environments[name].tier,
        days=tuple(known.of(day) for day in days),
        told=tuple(each for each in told if each.ends > whole.start)[::-1],
        numbers={each.id: each.number for each in known.granted},
        more=len(seen) > MOST,
        others=tuple(sorted(state.environments.keys() - {name})),
        may_give=may_give(visitor),
        now=now,
    )


async def _stays(tx: Transaction, log: str, environment: str, whole: Span, now: datetime) -> list[Span]:
    held = await sessions.during(tx, log, environment, whole.start, whole.end)
    ends = [(row.opened_at, lasted(row.ended_at, row.not_after, now)) for row in held]
    return [Span(begins, end) for begins, end in ends if begins < end]


@dataclass(frozen=True, slots=True)
class _Granted:
    id: str
    number: str
    span: Span
    ended_at: datetime | None


async def _granted(tx: Transaction, log: str, environment: str, whole: Span) -> list[_Granted]:
    """The grants whose window reaches into these days, in their order."""
    found = []
    for row in await requests.granted(tx, log, environment, whole.start):
        grant = AccessRequest.from_data(row.state).grant
        if grant is not None and clip(grant.not_before, grant.not_after, whole) is not None:
            span = Span(grant.not_before, grant.not_after)
            cut = grant.ended_at if grant.ended_because not in {None, "elapsed"} else None
            found.append(_Granted(row.id, row.number, span, cut))
    return sorted(found, key=lambda each: (each.span.start, each.id))


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of all these days."""

    now: datetime
    zone: ZoneInfo
    given: list[Span]
    granted: list[_Granted]
    stays: list[Span]
    sign_ins: list[SignInRow]

    def of(self, day: date) -> DayShown:
        """What is known of one of them."""
        whole = calendar.day_span(day, self.zone)
        return DayShown(
            day=day,
            span=whole,
            given=calendar.given(day, self.given, self.zone) if whole.end <= self.now else None,
            windows=tuple(
                WindowShown(
                    each.number,
                    each.id,
                    part,
                    each.ended_at if each.ended_at is not None and each.ended_at in whole else None,
                )
                for each in self.granted
                if (part := clip(each.span.start, each.span.end, whole)) is not None
            ),
            sessions=tuple(part for each in self.stays if (part := clip(each.start, each.end, whole)) is not None),
            sign_ins=tuple(each for each in reversed(self.sign_ins) if each.at in whole),
        )
