"""The state of an institution, and the questions that rules ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from app.domain.data import Value
from app.domain.environment import Environment
from app.domain.people import Person
from app.domain.policy import Policy
from app.domain.provider import Provider
from app.domain.window import day_over


@dataclass(frozen=True, slots=True)
class Change(Value):
    """A proposal that waits: what it would append, by digest and commitment. `several`: two admins or more were there
    when it was made, so that it takes two of them for as long as it waits.
    """

    type: str
    subject: str
    data_digest: str
    proposer: str
    at: datetime
    several: bool = False

    def to_data(self) -> dict[str, Any]:
        """This change as JSON; `several` only where it is so, as versions that did not know it wrote it."""
        data = super(Change, self).to_data()
        return data if self.several else {name: value for name, value in data.items() if name != "several"}

    @classmethod
    def from_data(cls, data: object) -> Self:
        """The change of `data`. Raises `ValueError`, naming the member."""
        return super(Change, cls).from_data({"several": False} | data if isinstance(data, dict) else data)


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
    domains = [domain.lower().rstrip(".") for domain in vendor_domains]
    return any(name == domain or name.endswith("." + domain) for domain in domains)


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
    return tuple(key for key, person in institution.people.items() if "admin" in person.held and not person.removed)


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
