"""How entries change an institution. Who may, and what needs a countersignature, is judged before anything changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.environment import Environment
from app.domain.errors import IllegalTransition, require
from app.domain.events import Entry
from app.domain.institution.changes import authorised
from app.domain.institution.state import Change, Institution, admins, is_admin, needs_confirmation
from app.domain.people import Binding, Person
from app.domain.policy import Policy
from app.domain.provider import Provider
from app.domain.times import parse_stamp

MAX_IMPLEMENTATION_DAYS = 540

_BY_ADMIN = frozenset(
    {
        "institution.enrolled",
        "institution.changed",
        "identity_provider.set",
        "environment.set",
        "environment.switched_to_support",
        "policy.set",
        "person.added",
        "person.roles_changed",
        "person.removed",
        "roster.reviewed",
        "change.proposed",
        "change.rejected",
        "stop_codes.made",
        "private.erased",
        "evidence.erased",
    }
)
"""Where the actor is a person, they are an admin bound at the provider now in force."""


def opened(entry: Entry) -> Institution:
    """The institution that entry 0 makes. Raises `IllegalTransition`."""
    require(entry.type == "trail.opened" and entry.index == 0, "a trail begins with trail.opened at index 0")
    data = entry.data
    environments = [Environment.from_data(item) for item in data["environments"]]
    people = [_first_person(item) for item in data["people"]]
    require(len({person.id for person in people}) == len(people), "people: each once")
    institution = Institution(
        code=entry.institution,
        origin=data["origin"],
        locale=data["locale"],
        time_zone=_zone(data["time_zone"]),
        vendor_domains=tuple(data["vendor_domains"]),
        vendor_issuers=tuple(data["vendor_issuers"]),
        provider=Provider.from_data(data["identity_provider"]),
        environments={},
        people={person.id: person for person in people},
        policy=Policy.from_data(data["policy"]),
    )
    for environment in environments:
        require(environment.environment not in institution.environments, "environments: each once")
        institution = _with_environment(institution, environment, entry.at)
    return institution


def evolve(institution: Institution, entry: Entry) -> Institution:
    """The institution after `entry`; an entry that does not concern it changes nothing.

    Raises `IllegalTransition` where the entry does not fit.
    """
    require(entry.institution == institution.code, f"{entry.institution} is not {institution.code}")
    change = _CHANGES.get(entry.type)
    if change is None:
        return institution
    if entry.actor.kind == "person" and entry.type in _BY_ADMIN:
        require(is_admin(institution, entry.actor.id), "actor: an admin bound at the provider now in force")
    authorised(institution, entry)
    return _without_change(change(institution, entry), entry)


def foreseen(institution: Institution, entry: Entry) -> Institution:
    """The institution as the entry would make it, whoever may record it. Raises `IllegalTransition`, field first."""
    return _CHANGES[entry.type](institution, entry)


def _without_change(institution: Institution, entry: Entry) -> Institution:
    """Closes the change that the entry applies: the one it names, else the one of its type and subject."""
    applied = entry.data.get("change")
    closed = {
        key
        for key, change in institution.changes.items()
        if key == applied
        or ("change" not in entry.data and (change.type, change.subject) == (entry.type, entry.subject))
    }
    if not closed:
        return institution
    return replace(institution, changes={k: change for k, change in institution.changes.items() if k not in closed})


def _again(_: Institution, __: Entry) -> Institution:
    raise IllegalTransition("a trail is opened once")


def _kept(institution: Institution, _: Entry) -> Institution:
    return institution


def _enrol(institution: Institution, entry: Entry) -> Institution:
    require(institution.enrolled_at is None, "the institution is enrolled already")
    require(bool(entry.data["evidence"]), "evidence: the admin's binding")
    return replace(institution, enrolled_at=entry.at)


def _change(institution: Institution, entry: Entry) -> Institution:
    return replace(institution, locale=entry.data["locale"], time_zone=_zone(entry.data["time_zone"]))


def _vendor(institution: Institution, entry: Entry) -> Institution:
    domains, issuers = tuple(entry.data["vendor_domains"]), tuple(entry.data["vendor_issuers"])
    longer = set(domains) >= set(institution.vendor_domains) and set(issuers) >= set(institution.vendor_issuers)
    require(longer, "the vendor's domains and issuers only ever grow")
    return replace(institution, vendor_domains=domains, vendor_issuers=issuers)


def _provider(institution: Institution, entry: Entry) -> Institution:
    """What the new claim map cannot give is gone at once; what it can, at the next sign-in."""
    provider, before = Provider.from_data(entry.data["identity_provider"]), institution.provider
    same = (provider.issuer, provider.roles_claim) == (before.issuer, before.roles_claim)
    given = set(provider.roles.values()) if same else set[str]()
    people = {key: _claiming(person, given) for key, person in institution.people.items()}
    return replace(institution, provider=provider, people=people)


def _claiming(person: Person, given: set[str]) -> Person:
    return replace(person, claimed=tuple(role for role in person.claimed if role in given))


def _keys_seen(institution: Institution, entry: Entry) -> Institution:
    issuer = entry.data["issuer"]
    seen = institution.keys_seen.get(issuer, frozenset()) | frozenset(entry.data["thumbprints"])
    return replace(institution, keys_seen={**institution.keys_seen, issuer: seen})


def _environment(institution: Institution, entry: Entry) -> Institution:
    environment = Environment.from_data(entry.data["environment"])
    old = institution.environments.get(environment.environment)
    require(old is None or old.phase == "implementation" or environment.phase == "support", "no environment goes back")
    return _with_environment(institution, environment, entry.at)


def _with_environment(institution: Institution, environment: Environment, at: datetime) -> Institution:
    others = {key: other for key, other in institution.environments.items() if key != environment.environment}
    require(all(other.url != environment.url for other in others.values()), "url: one environment each")
    if environment.phase == "implementation":
        latest = at.astimezone(institution.zone).date() + timedelta(days=MAX_IMPLEMENTATION_DAYS)
        require(environment.last_day <= latest, f"implementation_ends: at most {MAX_IMPLEMENTATION_DAYS} days away")
    return replace(institution, environments={**others, environment.environment: environment})


def _switch(institution: Institution, entry: Entry) -> Institution:
    name = entry.data["environment"]
    old = institution.environments.get(name)
    if old is None or old.phase != "implementation":
        raise IllegalTransition("environment: not in the implementation phase")
    switched = replace(old, phase="support", implementation_ends=None)
    return replace(institution, environments={**institution.environments, name: switched})


def _policy(institution: Institution, entry: Entry) -> Institution:
    return replace(institution, policy=Policy.from_data(entry.data["policy"]))


def _person_added(institution: Institution, entry: Entry) -> Institution:
    data = entry.data
    require(entry.subject not in institution.people, "this person is on the roster already")
    by_claim = entry.actor.kind == "system"
    require(not by_claim or institution.provider.roles_claim is not None, "the provider gives no roles")
    return _with_person(
        institution,
        Person(
            id=entry.subject,
            roles=tuple(data["roles"]),
            products=tuple(data["products"]),
            email_domain=data["email_domain"],
            email_digest=data["email_digest"],
            source="claim" if by_claim else "roster",
        ),
    )


def _person_bound(institution: Institution, entry: Entry) -> Institution:
    person, data = _person(institution, entry.subject), entry.data
    confirmed_by = data["confirmed_by"]
    require(data["iss"] == institution.provider.issuer, "iss: the provider now in force")
    require(person.bound_at(data["iss"]) is None, "this person is bound at this provider already")
    require(bool(data["evidence"]), "evidence: the sign-in")
    require(
        confirmed_by is not None or not needs_confirmation(institution, person.id), "confirmed_by: an admin is wanted"
    )
    if confirmed_by is None:
        require(entry.actor.kind == "system", "actor: the system binds where nobody confirms")
    else:
        confirmed = entry.actor.id == confirmed_by != person.id and is_admin(institution, confirmed_by)
        require(confirmed, "confirmed_by: the acting admin, of another person")
    binding = Binding(data["iss"], data["sub_digest"], entry.at, confirmed_by)
    return _with_person(institution, replace(person, bindings=(*person.bindings, binding)))


def _roles_changed(institution: Institution, entry: Entry) -> Institution:
    person, data = _person(institution, entry.subject), entry.data
    by_claim = data["source"] == "claim"
    require(
        by_claim == (entry.actor.kind == "system"), "actor: the system sets claim roles, a person those of the roster"
    )
    if by_claim:
        return _with_person(institution, _claimed(institution, person, data))
    return _with_person(institution, replace(person, roles=tuple(data["roles"]), products=tuple(data["products"])))


def _claimed(institution: Institution, person: Person, data: Mapping[str, Any]) -> Person:
    """The person with the roles of a claim. Products are the roster's alone."""
    granted = set(data["roles"]) <= set(institution.provider.roles.values())
    require(institution.provider.roles_claim is not None and granted, "roles: those that the claim can give")
    require(data["products"] == list(person.products), "products: the roster's, a claim gives none")
    require(person.bound_at(institution.provider.issuer) is not None, "subject: bound at the provider in force")
    require(bool(data["evidence"]), "evidence: the sign-in that carried the claim")
    return replace(person, claimed=tuple(data["roles"]))


def _away(institution: Institution, entry: Entry) -> Institution:
    person, actor = _person(institution, entry.subject), entry.actor
    allowed = actor.kind == "client" or actor.id == person.id or is_admin(institution, actor.id)
    require(allowed, "actor: the person, an admin or a client")
    begins, ends = (None if text is None else parse_stamp(text) for text in (entry.data["from"], entry.data["to"]))
    return _with_person(institution, replace(person, away_from=begins, away_to=ends))


def _removed(institution: Institution, entry: Entry) -> Institution:
    person = _person(institution, entry.subject)
    require(institution.enrolled_at is None or entry.actor.kind == "person", "actor: after enrolment, an admin")
    return _with_person(institution, replace(person, removed=True))


def _proposed(institution: Institution, entry: Entry) -> Institution:
    data = entry.data
    require(entry.subject not in institution.changes, "this change waits already")
    change = Change(
        data["type"], data["subject"], data["data_digest"], entry.actor.id, entry.at, len(admins(institution)) > 1
    )
    return replace(institution, changes={**institution.changes, entry.subject: change})


def _rejected(institution: Institution, entry: Entry) -> Institution:
    require(entry.subject in institution.changes, "this change does not wait")
    require((entry.data["because"] == "admin") == (entry.actor.kind == "person"), "actor: does not fit because")
    changes = {key: change for key, change in institution.changes.items() if key != entry.subject}
    return replace(institution, changes=changes)


def _first_person(item: Mapping[str, Any]) -> Person:
    return Person(
        id=item["person"],
        roles=tuple(item["roles"]),
        products=tuple(item["products"]),
        email_domain=item["email_domain"],
        email_digest=item["email_digest"],
    )


def _person(institution: Institution, person_id: str) -> Person:
    person = institution.people.get(person_id)
    if person is None or person.removed:
        raise IllegalTransition(f"{person_id} is not on the roster")
    return person


def _with_person(institution: Institution, person: Person) -> Institution:
    return replace(institution, people={**institution.people, person.id: person})


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise IllegalTransition("time_zone: not a zone of the IANA database") from None


_CHANGES: Mapping[str, Callable[[Institution, Entry], Institution]] = MappingProxyType(
    {
        "trail.opened": _again,
        "institution.enrolled": _enrol,
        "institution.changed": _change,
        "vendor.changed": _vendor,
        "identity_provider.set": _provider,
        "identity_provider.keys_seen": _keys_seen,
        "environment.set": _environment,
        "environment.switched_to_support": _switch,
        "policy.set": _policy,
        "person.added": _person_added,
        "person.bound": _person_bound,
        "person.roles_changed": _roles_changed,
        "person.away_set": _away,
        "person.removed": _removed,
        "roster.reviewed": _kept,
        "change.proposed": _proposed,
        "change.rejected": _rejected,
        "stop_codes.made": _kept,
        "private.erased": _kept,
        "evidence.erased": _kept,
    }
)

CHANGING = frozenset(_CHANGES)
"""The types of entries that concern an institution; all others leave it as it is."""
