"""What can be wanted of an institution, as the change that would record it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.actions.opening import notify_text
from app.audit.replay_people import email_digest
from app.domain.environment import Environment
from app.domain.ids import new_id
from app.domain.institution import Provider
from app.domain.policy import Policy
from app.domain.proposal import Wanted
from app.trail.log import new_salt


def of_policy(code: str, policy: Policy) -> Wanted:
    """Another policy."""
    return Wanted("policy.set", code, {"policy": policy.to_data()})


def of_provider(code: str, provider: Provider) -> Wanted:
    """Another identity provider, or another way to read it."""
    return Wanted("identity_provider.set", code, {"identity_provider": provider.to_data()})


def of_environment(code: str, environment: Environment) -> Wanted:
    """A new environment, or one of that name as it shall be."""
    return Wanted("environment.set", code, {"environment": environment.to_data()})


def of_institution(code: str, name: str, notify: tuple[str, ...], locale: str, time_zone: str) -> Wanted:
    """Other general settings."""
    private = {"name": name, "notify": notify_text(notify)}
    return Wanted("institution.changed", code, {"locale": locale, "time_zone": time_zone}, private)


def of_person(now: datetime, email: str, name: str, roles: Sequence[str], products: Sequence[str]) -> Wanted:
    """A new person of the roster; `email` in lower case."""
    salt = new_salt()
    data = {
        "roles": sorted(set(roles)),
        "products": sorted(set(products)),
        "email_domain": email.rpartition("@")[2],
        "email_digest": email_digest(email, salt),
    }
    return Wanted("person.added", new_id("per", now), data, {"email": email, "name": name, "email_salt": salt})


def of_roles(person: str, roles: Sequence[str], products: Sequence[str]) -> Wanted:
    """Other roles and products of a person of the roster."""
    data = {"roles": sorted(set(roles)), "products": sorted(set(products)), "source": "roster"}
    return Wanted("person.roles_changed", person, data)


def of_removal(person: str) -> Wanted:
    """A person off the roster."""
    return Wanted("person.removed", person, {})
