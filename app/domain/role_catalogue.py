"""What roles of the vendor's products let one see and change, as data with its source. A role that is not here has an
unknown effect, and pages say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

VERSION = "2026-11"
SOURCE = "Ex Libris Knowledge Center, Managing User Roles: User Roles – Descriptions and Accessible Components"
SOURCE_URL = (
    "https://knowledge.exlibrisgroup.com/Alma/Product_Documentation/010Alma_Online_Help_(English)/050Administration/"
    "030User_Management/060Managing_User_Roles"
)


class Sees(StrEnum):
    """What can be seen. The first four are personal data."""

    PATRONS = "patrons"
    LOANS = "loans"
    FINES = "fines"
    STAFF = "staff"
    PURCHASES = "purchases"
    REPORTS = "reports"


class Changes(StrEnum):
    """What can be changed."""

    LOANS = "loans"
    LOAN_RULES = "loan-rules"
    PATRONS = "patrons"
    ROLES = "roles"
    LETTERS = "letters"
    RECORDS = "records"
    RECORD_RULES = "record-rules"
    HOLDINGS = "holdings"
    PURCHASES = "purchases"
    PURCHASE_RULES = "purchase-rules"
    DISCOVERY = "discovery"
    SYSTEM = "system"
    REPORTS = "reports"


PERSONAL = frozenset({Sees.PATRONS, Sees.LOANS, Sees.FINES, Sees.STAFF})


@dataclass(frozen=True, slots=True)
class Effect:
    """What a role lets one see and change, in the order in which it is told."""

    sees: tuple[Sees, ...] = ()
    changes: tuple[Changes, ...] = ()


_READERS = (Sees.PATRONS, Sees.LOANS)
_DESK = (Sees.PATRONS, Sees.LOANS, Sees.FINES)
_ALMA: Mapping[str, Effect] = {
    "Circulation Desk Operator": Effect(_DESK, (Changes.LOANS, Changes.PATRONS)),
    "Circulation Desk Operator - Limited": Effect(_READERS, (Changes.LOANS,)),
    "Circulation Desk Manager": Effect(_DESK, (Changes.LOANS, Changes.PATRONS)),
    "Requests Operator": Effect(_READERS, (Changes.LOANS,)),
    "Fulfillment Services Operator": Effect(_READERS, (Changes.LOANS,)),
    "Fulfillment Services Manager": Effect(_READERS, (Changes.LOANS,)),
    "Fulfillment Administrator": Effect(_READERS, (Changes.LOAN_RULES,)),
    "Letter Administrator": Effect((), (Changes.LETTERS,)),
    "User Manager": Effect((*_DESK, Sees.STAFF), (Changes.PATRONS, Changes.ROLES)),
    "User Administrator": Effect((*_DESK, Sees.STAFF), (Changes.PATRONS, Changes.ROLES, Changes.SYSTEM)),
    "General System Administrator": Effect((Sees.STAFF,), (Changes.SYSTEM, Changes.LETTERS)),
    "Cataloger": Effect((), (Changes.RECORDS,)),
    "Cataloging Manager": Effect((), (Changes.RECORDS,)),
    "Catalog Manager": Effect((), (Changes.RECORDS, Changes.RECORD_RULES)),
    "Catalog Administrator": Effect((), (Changes.RECORDS, Changes.RECORD_RULES)),
    "Repository Manager": Effect((), (Changes.RECORDS, Changes.HOLDINGS)),
    "Repository Administrator": Effect((), (Changes.HOLDINGS, Changes.RECORD_RULES)),
    "Physical Inventory Operator": Effect((), (Changes.HOLDINGS,)),
    "Electronic Inventory Operator": Effect((), (Changes.HOLDINGS,)),
    "Digital Inventory Operator": Effect((), (Changes.HOLDINGS,)),
    "Receiving Operator": Effect((Sees.PURCHASES,), (Changes.PURCHASES, Changes.HOLDINGS)),
    "Purchasing Operator": Effect((Sees.PURCHASES,), (Changes.PURCHASES,)),
    "Purchasing Manager": Effect((Sees.PURCHASES,), (Changes.PURCHASES,)),
    "Invoice Operator": Effect((Sees.PURCHASES,), (Changes.PURCHASES,)),
    "Invoice Manager": Effect((Sees.PURCHASES,), (Changes.PURCHASES,)),
    "Fund-Ledger Viewer": Effect((Sees.PURCHASES,), ()),
    "Acquisitions Administrator": Effect((Sees.PURCHASES,), (Changes.PURCHASE_RULES,)),
    "Discovery - Operator": Effect((), (Changes.DISCOVERY,)),
    "Discovery - Admin": Effect((), (Changes.DISCOVERY,)),
    "Designs Analytics": Effect((*_READERS, Sees.PURCHASES, Sees.REPORTS), (Changes.REPORTS,)),
    "Analytics Administrator": Effect((*_READERS, Sees.PURCHASES, Sees.REPORTS), (Changes.REPORTS,)),
}
CATALOGUE: Mapping[str, Mapping[str, Effect]] = MappingProxyType(
    {product: MappingProxyType(dict(_ALMA)) for product in ("alma", "primo_ve", "leganto")}
)
"""Product → role, by the API's name → effect. Primo VE and Leganto are run with the roles of Alma."""


@dataclass(frozen=True, slots=True)
class Known:
    """What some roles let one do together. `unknown`: those whose effect nobody wrote down."""

    sees: tuple[Sees, ...]
    changes: tuple[Changes, ...]
    unknown: tuple[str, ...]

    @property
    def personal(self) -> tuple[Sees, ...]:
        """What of it is about people."""
        return tuple(each for each in self.sees if each in PERSONAL)

    @property
    def other(self) -> tuple[Sees, ...]:
        """What of it is not."""
        return tuple(each for each in self.sees if each not in PERSONAL)


def effect_of(product: str, role: str) -> Effect | None:
    """What a role of a product lets one do; null where it is not known."""
    return CATALOGUE.get(product, {}).get(role)


def known(product: str, roles: Iterable[str]) -> Known:
    """What these roles let one do together."""
    found = {role: effect_of(product, role) for role in roles}
    effects = [effect for effect in found.values() if effect is not None]
    sees = {thing for effect in effects for thing in effect.sees}
    changes = {thing for effect in effects for thing in effect.changes}
    return Known(
        sees=tuple(each for each in Sees if each in sees),
        changes=tuple(each for each in Changes if each in changes),
        unknown=tuple(role for role, effect in found.items() if effect is None),
    )
