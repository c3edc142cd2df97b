"""What people see of requests: where a mail's link leads, and one request whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.views import RequestView, view
from app.domain.errors import Refused
from app.domain.institution import Institution
from app.domain.request import AccessRequest, Status, status_at
from app.storage import findings, institutions, requests

SHOWN = 100
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Landing:
    """All that a mail's link tells before anybody has signed in."""

    code: str
    institution_name: str
    number: str
    decide_by: datetime
    time_zone: str
    provider_host: str
    path: str


async def landing(services: Services, short: str) -> Landing | None:
    """The pending request behind a link; None for unknown and closed ones alike."""
    async with services.database.read() as tx:
        row = await requests.of_short(tx, short)
        institution = None if row is None else await institutions.read(tx, row.log)
        now = await tx.now()
    if row is None or institution is None:
        return None
    if status_at(AccessRequest.from_data(row.state), now) is not Status.PENDING:
        return None
    state = Institution.from_data(institution.state)
    host = urlsplit(state.provider.issuer).hostname or state.provider.issuer
    return Landing(row.log, institution.name, row.number, row.decide_by, state.time_zone, host, f"/requests/{row.id}")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an approver may want to know beside a request: the approved accesses of its environment in the last twelve
    months, and the kinds of findings there that are not closed.
    """

    accesses: int
    findings: tuple[str, ...]


async def surroundings(services: Services, visitor: Visitor, environment: str) -> Surroundings:
    """What stands round a request of an environment of the visitor's institution."""
    async with services.database.read() as tx:
        since = await tx.now() - _YEAR
        accesses = await requests.count_granted(tx, visitor.code, environment, since)
        found = await findings.not_closed(tx, visitor.code, environment=environment)
    return Surroundings(accesses, tuple(each.kind for each in found))


async def review(services: Services, visitor: Visitor, request_id: str) -> RequestView:
    """One request of the visitor's institution. Raises `Refused` not-found."""
    async with services.database.read() as tx:
        row = await requests.read(tx, request_id, visitor.code)
        if row is None or not visitor.roles:
            raise Refused(NOT_FOUND)
        return await view(tx, row, await tx.now())
