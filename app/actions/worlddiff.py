"""Where a world file says other than an institution's trail: what has to be agreed to, and what cannot be at all.

Only the institution changes what its trail pins. What a file wants otherwise is therefore proposed to its admins; what
nobody can change (an environment that leaves, somebody's name) is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.actions import wanted as wants
from app.actions.worldspecs import InstitutionSpec, PersonSpec
from app.domain.institution import Institution
from app.domain.proposal import Wanted
from app.storage.institutions import InstitutionRow
from app.storage.roster import RosterRow

PROPOSED = "proposed: an admin of the institution has to agree"
_AT_ONCE = "by the operator"
_ENVIRONMENT = "an environment cannot leave a trail; put it back"
_NAME = "a name cannot be changed; remove the person and add them anew"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that a file wants otherwise; `secrets` belong to it. `at_once`: the operator may do it."""

    code: str
    lines: tuple[str, ...]
    wanted: Wanted
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    at_once: bool = False


def differences(
    spec: InstitutionSpec, row: InstitutionRow, people: Mapping[str, RosterRow], now: datetime
) -> Iterator[Difference]:
    """What has to change so that the institution is as the file declares it."""
    state = Institution.from_data(row.state)
    yield from _general(spec, row, state)
    yield from _policy(spec, state)
    yield from _provider(spec, state)
    yield from _environments(spec, state)
    yield from _people(spec, state, people, now)


def impossible(spec: InstitutionSpec, row: InstitutionRow, people: Mapping[str, RosterRow]) -> Iterator[str]:
    """Where the file wants what no change can bring about, a line each."""
    state = Institution.from_data(row.state)
    declared = {each.environment.environment for each in spec.environments}
    for name in sorted(state.environments.keys() - declared):
        yield f"{spec.path}.environments.{name}: {_ENVIRONMENT}"
    for row_ in _listed(state, people).values():
        wanted = next((each for each in spec.people if each.email == row_.email), None)
        if wanted is not None and wanted.name != row_.name:
            yield from lines(f"{spec.path}.people.{row_.email}", {"name": row_.name}, {"name": wanted.name}, _NAME)


def lines(path: str, there: Mapping[str, Any], wanted: Mapping[str, Any], remedy: str) -> Iterator[str]:
    """A line for each member that differs."""
    for name in sorted({*there, *wanted}):
        old, new = there.get(name), wanted.get(name)
        if old != new:
            yield f"{path}{'.' if name else ''}{name}: {_shown(old)} -> {_shown(new)}; {remedy}"


def general(row: InstitutionRow, state: Institution) -> dict[str, Any]:
    """The general settings by the names of a world file."""
    return {"name": row.name, "notify": list(row.notify), "locale": state.locale, "timezone": state.time_zone}


def _shown(value: object) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _general(spec: InstitutionSpec, row: InstitutionRow, state: Institution) -> Iterator[Difference]:
    there = general(row, state)
    declared = {
        "name": spec.name,
        "notify": list(spec.notify),
        "locale": spec.locale,
        "timezone": spec.time_zone,
    }
    if there == declared:
        return
    at_once = all(there[name] == declared[name] for name in ("notify", "timezone"))
    told = tuple(lines(spec.path, there, declared, _AT_ONCE if at_once else PROPOSED))
    wanted = wants.of_institution(spec.code, spec.name, spec.notify, spec.locale, spec.time_zone)
    yield Difference(spec.code, told, wanted, at_once=at_once)


def _policy(spec: InstitutionSpec, state: Institution) -> Iterator[Difference]:
    told = tuple(lines(f"{spec.path}.policy", state.policy.to_data(), spec.policy.to_data(), PROPOSED))
    if told:
        yield Difference(spec.code, told, wants.of_policy(spec.code, spec.policy))


def _provider(spec: InstitutionSpec, state: Institution) -> Iterator[Difference]:
    given = spec.provider
    path = f"{spec.path}.identity_provider"
    told = tuple(lines(path, state.provider.to_data(), given.provider.to_data(), PROPOSED))
    if told:
        secrets = {"client_secret": given.client_secret}
        if given.approval_client_secret is not None:
            secrets["approval_client_secret"] = given.approval_client_secret
        yield Difference(spec.code, told, wants.of_provider(spec.code, given.provider), secrets)


def _environments(spec: InstitutionSpec, state: Institution) -> Iterator[Difference]:
    for each in spec.environments:
        name = each.environment.environment
        old = state.environments.get(name)
        there, path = {} if old is None else {name: old.to_data()}, f"{spec.path}.environments"
        told = tuple(lines(path, there, {name: each.environment.to_data()}, PROPOSED))
        if told:
            yield Difference(spec.code, told, wants.of_environment(spec.code, each.environment))


def _people(
    spec: InstitutionSpec, state: Institution, people: Mapping[str, RosterRow], now: datetime
) -> Iterator[Difference]:
    """People of the file; who has their roles from the provider is its own affair."""
    path, listed = f"{spec.path}.people", {row.email: row for row in _listed(state, people).values()}
    for each in spec.people:
        row = listed.pop(each.email, None)
        if row is None:
            told = tuple(lines(path, {}, {each.email: _said(each)}, PROPOSED))
            yield Difference(spec.code, told, wants.of_person(now, each.email, each.name, each.roles, each.products))
            continue
        person = state.people[row.person]
        there = {"roles": list(person.roles), "products": list(person.products)}
        wanted = {"roles": list(each.roles), "products": list(each.products)}
        if there != wanted and person.source == "roster":
            told = tuple(lines(f"{path}.{each.email}", there, wanted, PROPOSED))
            yield Difference(spec.code, told, wants.of_roles(row.person, each.roles, each.products))
    for row in listed.values():
        if state.people[row.person].source == "roster":
            told = (f"{path}.{row.email}: on the list -> nothing; {PROPOSED}",)
            yield Difference(spec.code, told, wants.of_removal(row.person))


def _listed(state: Institution, people: Mapping[str, RosterRow]) -> dict[str, RosterRow]:
    return {key: people[key] for key, person in state.people.items() if not person.removed and key in people}


def _said(person: PersonSpec) -> dict[str, Any]:
    return {"name": person.name, "roles": list(person.roles), "products": list(person.products)}
