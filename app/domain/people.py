"""People and roles of an institution."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from app.domain.data import Value, sorted_tuple, sorted_unique

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
    """A row of the roster as the trail tells it (no names, no addresses: those stand in private parts).

    `roles` are those of the roster, `claimed` those that the claim of the last sign-in gave; together they are `held`.
    """

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
    claimed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(map(sorted_unique, (self.roles, self.products, self.claimed))):
            raise ValueError("roles, products, claimed: must be sorted, each once")

    def to_data(self) -> dict[str, Any]:
        """This person as JSON; `claimed` only where there is any, as versions that knew no claims wrote it."""
        data = super(Person, self).to_data()
        return data if self.claimed else {name: value for name, value in data.items() if name != "claimed"}

    @classmethod
    def from_data(cls, data: object) -> Self:
        """The person of `data`. Raises `ValueError`, naming the member."""
        return super(Person, cls).from_data({"claimed": []} | data if isinstance(data, dict) else data)

    @property
    def held(self) -> tuple[str, ...]:
        """The roles this person has, wherever they come from."""
        return sorted_tuple((*self.roles, *self.claimed))

    def by_claim_alone(self, roles: Collection[str]) -> bool:
        """Whether the roster gives none of these roles, so that each sign-in that counts has to show one of them."""
        return set(roles).isdisjoint(self.roles)

    def bound_at(self, issuer: str) -> Binding | None:
        """The binding at `issuer`, if there is one."""
        return next((binding for binding in self.bindings if binding.iss == issuer), None)

    @property
    def deciding_roles(self) -> frozenset[str]:
        """Those of this person's roles that may decide."""
        return DECIDING_ROLES.intersection(self.roles).union(DECIDING_ROLES.intersection(self.claimed))

    def decides_for(self, product: str) -> bool:
        """Whether this person holds a deciding role for `product` (no products: all)."""
        return not self.removed and bool(self.deciding_roles) and (not self.products or product in self.products)
