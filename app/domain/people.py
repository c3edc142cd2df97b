"""People and roles of an institution."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.data import Value, sorted_unique

ROLES = ("approver", "backup_approver", "auditor", "admin")
VENDOR_ROLES = ("vendor_auditor", "operator")
DECIDING_ROLES = frozenset({"approver", "backup_approver"})


@dataclass(frozen=True, slots=True)
class Binding(Value):
    """The account at a provider that alone counts as this person: issuer and salted digest of the subject."""

    iss: str
    sub_digest: str
    at: datetime
    confirmed_by: str | None


@dataclass(frozen=True, slots=True)
class Person(Value):
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

    def __post_init__(self) -> None:
        if not sorted_unique(self.roles) or not sorted_unique(self.products):
            raise ValueError("roles, products: must be sorted, each once")

    def bound_at(self, issuer: str) -> Binding | None:
        """The binding at `issuer`, if there is one."""
        return next((binding for binding in self.bindings if binding.iss == issuer), None)

    @property
    def deciding_roles(self) -> frozenset[str]:
        """Those of this person's roles that may decide."""
        return DECIDING_ROLES.intersection(self.roles)

    def decides_for(self, product: str) -> bool:
        """Whether this person holds a deciding role for `product` (no products: all)."""
        return not self.removed and bool(self.deciding_roles) and (not self.products or product in self.products)
