"""People and roles of an institution."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

ROLES = ("approver", "backup_approver", "auditor", "admin")
VENDOR_ROLES = ("vendor_auditor", "operator")
DECIDING_ROLES = frozenset({"approver", "backup_approver"})


@dataclass(frozen=True, slots=True)
class Binding:
    """The account at a provider that alone counts as this person: issuer and salted digest of the subject."""

    iss: str
    sub_digest: str
    at: datetime
    confirmed_by: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """A row of the roster as the trail tells it (no names, no addresses: those stand in private parts)."""

    id: str
    roles: tuple[str, ...]
    products: tuple[str, ...]
    email_domain: str
    email_digest: str
    source: str = "roster"
    bindings: tuple[Binding, ...] = ()
    away_from: datetime | None = None
    away_to: datetime | None = None
    removed: bool = False
