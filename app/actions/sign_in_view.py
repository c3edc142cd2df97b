"""Sign-ins of an environment beside the windows that were approved, day by day, for people of the institution."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.actions.ledger import NOT_FOUND
from app.actions.reconciliation import may_give
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.windows import Window, WindowShown, parts_of, windows
from app.domain import reconciled_days as calendar
from app.domain.errors import Refused
from app.domain.institution import Institution
from app.domain.kinds import VENDOR
from app.domain.reconciled_days import Given
from app.domain.window import Span
from app.storage import institutions, sign_ins
from app.storage.database import Transaction
from app.storage.sign_ins import ReconciliationRow, SignInRow

DAYS = 14
MOST = 1_000
"""Sign-ins that are drawn and listed: the newest."""


@dataclass(frozen=True, slots=True)
class DayShown:
    """One day of the institution's zone. `given`: null where it is not over yet."""

    day: date
    span: Span
    given: Given | None
    windows: tuple[WindowShown, ...]
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
        given=sign_ins.covered(told),
        granted=[each for each in await windows(tx, state.code, whole, now, name) if each.kind == "win"],
        sign_ins=seen[:MOST],
    )
    return SignInsShown(
        environment=name,
        product=state.environments[name].product,
        tier=state.environments[name].tier,
        days=tuple(known.of(day) for day in days),
        told=tuple(each for each in told if each.ends > whole.start)[::-1],
        numbers={each.request: each.number for each in known.granted},
        more=len(seen) > MOST,
        others=tuple(sorted(state.environments.keys() - {name})),
        may_give=may_give(visitor),
        now=now,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of all these days."""

    now: datetime
    zone: ZoneInfo
    given: list[Span]
    granted: list[Window]
    sign_ins: list[SignInRow]

    def of(self, day: date) -> DayShown:
        """What is known of one of them."""
        whole = calendar.day_span(day, self.zone)
        return DayShown(
            day=day,
            span=whole,
            given=calendar.given(day, self.given, self.zone) if whole.end <= self.now else None,
            windows=parts_of(self.granted, whole),
            sign_ins=tuple(each for each in reversed(self.sign_ins) if each.at in whole),
        )
