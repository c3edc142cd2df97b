"""An institution as its trail tells it: provider, environments, people, policy. Changed by `evolve` alone.

A person decides when they hold a deciding role for the product, are bound at the provider now in force, and belong to
the institution and not to the vendor. Loosening after enrolment has a change with a countersignature (`changes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.domain.data import Value
from app.domain.people import Person
from app.domain.policy import Policy
from app.domain.window import day_over

PRODUCTS = ("alma", "primo_ve", "leganto", "esploro")
TIERS = ("production", "sandbox")
PHASES = ("implementation", "support")
MAX_IMPLEMENTATION_DAYS = 540
VENDOR = "VENDOR"


@dataclass(frozen=True, slots=True)
class Provider(Value):
    """An identity provider as entry 0 and changes pin it; `roles` maps values of `roles_claim` to roles."""

    issuer: str
    client_id: str
    approval_client_id: str | None
    exclusive: bool
    required_claims: Mapping[str, str]
    email_claim: str
    roles_claim: str | None
    roles: Mapping[str, str]

    @property
    def approval_audience(self) -> str:
        """The only `aud` of a countersignature."""
        return self.approval_client_id or self.client_id


@dataclass(frozen=True, slots=True)
class Environment(Value):
    """One product environment. `implementation_ends` (`YYYY-MM-DD`) is set in the implementation phase and null in support."""

    environment: str
    product: str
    tier: str
    phase: str
    url: str
    audience: str
    implementation_ends: str | None

    def __post_init__(self) -> None:
        for name, words in (("product", PRODUCTS), ("tier", TIERS), ("phase", PHASES)):
            if getattr(self, name) not in words:
                raise ValueError(f"{name}: one of {', '.join(words)}")
        if (self.phase == "implementation") != (self.implementation_ends is not None):
            raise ValueError("implementation_ends: a date in the implementation phase, null in support")
        if self.implementation_ends is not None and self.last_day.isoformat() != self.implementation_ends:
            raise ValueError("implementation_ends: YYYY-MM-DD is wanted")

    @property
    def last_day(self) -> date:
        """The last day of the implementation phase."""
        return date.fromisoformat(self.implementation_ends or "")


@dataclass(frozen=True, slots=True)
class Change(Value):
    """A proposal that waits: what it would append, by digest and commitment."""

    type: str
    subject: str
    data_digest: str
    proposer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Institution(Value):
    """The state of one trail, `VENDOR` included. `keys_seen` are RFC 7638 thumbprints by issuer."""

    code: str
    origin: str
    locale: str
    time_zone: str
    vendor_domains: tuple[str, ...]
    vendor_issuers: tuple[str, ...]
    provider: Provider
    environments: Mapping[str, Environment]
    people: Mapping[str, Person]
    policy: Policy
    enrolled_at: datetime | None = None
    keys_seen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which hours, blackouts and last days are read."""
        return ZoneInfo(self.time_zone)


def is_vendor_address(email_domain: str, vendor_domains: tuple[str, ...]) -> bool:
    """Whether an e-mail domain is one of the vendor's, or below one."""
    name = email_domain.lower().rstrip(".")
    return any(name == domain or name.endswith("." + domain) for domain in (d.lower().rstrip(".") for d in vendor_domains))


def holds_role(institution: Institution, person_id: str, product: str) -> bool:
    """Whether the person may decide for the product by role, wherever they are bound (counts votes already given)."""
    person = institution.people.get(person_id)
    return (
        person is not None
        and person.decides_for(product)
        and not is_vendor_address(person.email_domain, institution.vendor_domains)
    )


def is_bound(institution: Institution, person_id: str) -> bool:
    """Whether the person is of the roster and bound at the provider now in force."""
    person = institution.people.get(person_id)
    return person is not None and not person.removed and person.bound_at(institution.provider.issuer) is not None


def eligible(institution: Institution, person_id: str, product: str) -> bool:
    """Whether the person may answer a request for the product now."""
    return (
        holds_role(institution, person_id, product)
        and is_bound(institution, person_id)
        and institution.provider.issuer not in institution.vendor_issuers
    )


def admins(institution: Institution) -> tuple[str, ...]:
    """Those who hold the admin role, bound or not."""
    return tuple(id for id, person in institution.people.items() if "admin" in person.roles and not person.removed)


def is_admin(institution: Institution, person_id: str) -> bool:
    """Whether the person is an admin, bound at the provider now in force."""
    return person_id in admins(institution) and is_bound(institution, person_id)


def needs_confirmation(institution: Institution, person_id: str) -> bool:
    """Whether a bound admin has to confirm this person's binding: a deciding role, and another admin is bound."""
    return bool(institution.people[person_id].deciding_roles) and any(
        is_bound(institution, other) for other in admins(institution) if other != person_id
    )


def implementation_over(institution: Institution, environment: str) -> datetime | None:
    """The instant at which the environment's last day of implementation is over; None in the support phase."""
    found = institution.environments[environment]
    return day_over(found.last_day, institution.zone) if found.phase == "implementation" else None


def implementing(institution: Institution, environment: str, at: datetime) -> bool:
    """Whether the environment is in its implementation phase and the last day is not over."""
    over = implementation_over(institution, environment)
    return over is not None and at < over
