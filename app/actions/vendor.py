"""The vendor's own people: auditors, who read every trail, and operators, who see which institutions there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.actions.signin import Visitor
from app.domain.environment import Environment
from app.domain.errors import Refused
from app.domain.institution import Institution
from app.domain.kinds import VENDOR
from app.storage import institutions
from app.storage.institutions import InstitutionRow


@dataclass(frozen=True, slots=True)
class InstitutionLine:
    """What the vendor's people see of an institution: nothing of its people, requests or evidence.

    `shares`: whether its policy lets the vendor's auditors have private parts and evidence.
    """

    code: str
    name: str
    enrolled_at: datetime | None
    provider_host: str
    environments: tuple[Environment, ...]
    shares: bool


async def listed(services: Services, visitor: Visitor) -> tuple[InstitutionLine, ...]:
    """Every institution, by name. Raises `Refused` not-found for whoever is not the vendor's."""
    if visitor.code != VENDOR or not visitor.roles:
        raise Refused(NOT_FOUND)
    async with services.database.read() as tx:
        rows = await institutions.read_all(tx)
    lines = [_line(row) for row in rows if row.code != VENDOR]
    return tuple(sorted(lines, key=lambda line: (line.name.casefold(), line.code)))


async def one(services: Services, visitor: Visitor, code: str) -> InstitutionLine:
    """One institution, for the vendor's auditors. Raises `Refused` not-found."""
    if visitor.code != VENDOR or "vendor_auditor" not in visitor.roles or code == VENDOR:
        raise Refused(NOT_FOUND)
    async with services.database.read() as tx:
        row = await institutions.read(tx, code)
    if row is None:
        raise Refused(NOT_FOUND)
    return _line(row)


def _line(row: InstitutionRow) -> InstitutionLine:
    state = Institution.from_data(row.state)
    return InstitutionLine(
        code=row.code,
        name=row.name,
        enrolled_at=state.enrolled_at,
        provider_host=urlsplit(state.provider.issuer).hostname or state.provider.issuer,
        environments=tuple(state.environments[name] for name in sorted(state.environments)),
        shares=state.policy.vendor_sees_evidence,
    )
