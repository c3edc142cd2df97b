"""Bodies and forms by the names of the world file, judged by its rules; what is wrong is named by field.

`env:` and `file:` are read in files of the operator alone: in a body they are refused. A secret that is left out stays
as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, TypeVar

from app.actions import worldforms as forms
from app.actions.services import Services
from app.actions.world import WorldReader, judge_institution, read_person, read_policy
from app.actions.worldspecs import ClientSpec, EnvironmentSpec, InstitutionSpec, PersonSpec, ProviderSpec
from app.actions.worldtable import Table
from app.domain.errors import FieldError, Refusal, Refused
from app.domain.people import ROLES
from app.domain.policy import Policy

T = TypeVar("T")
Members = Mapping[str, Any]
_INDEX = re.compile(r"\[(\d+)\]")


def institution_of(
    services: Services, members: Members, vendor_issuer: str, domains: tuple[str, ...]
) -> InstitutionSpec:
    """A new institution whole. Raises `Refused` validation."""

    def read(table: Table) -> InstitutionSpec:
        spec = _reader(services, table, kept=False).institution(table)
        if not table.problems:
            judge_institution(table, spec, vendor_issuer, domains)
        return spec

    dated = [_dated(each) for each in members.get("environments") or ()]
    return _read({**members, "environments": dated}, read)


def provider_of(services: Services, members: Members) -> ProviderSpec:
    """An identity provider; secrets that are left out are empty. Raises `Refused` validation."""
    return _read(members, lambda table: _reader(services, table).provider(table, ROLES))


def environment_of(services: Services, members: Members) -> EnvironmentSpec:
    """An environment; `implementation_ends` is `YYYY-MM-DD`. Raises `Refused` validation."""
    return _read(_dated(members), lambda table: _reader(services, table).environment(table))


def person_of(members: Members) -> PersonSpec:
    """A person. Raises `Refused` validation."""
    return _read(members, lambda table: read_person(table, ROLES))


def client_of(services: Services, members: Members) -> ClientSpec:
    """An API client. Raises `Refused` validation."""
    return _read(members, lambda table: _reader(services, table).client(table))


def policy_of(members: Members) -> Policy:
    """A policy; what is left out is as the default is. Raises `Refused` validation."""
    problems: list[str] = []
    policy = read_policy(Table("", {"policy": _given(members)}, problems))
    return _judged(policy, [each.removeprefix("policy.") for each in problems])


def general_of(members: Members) -> tuple[str, str, str, tuple[str, ...]]:
    """Name, locale, time zone and addresses for notices. Raises `Refused` validation."""

    def read(table: Table) -> tuple[str, str, str, tuple[str, ...]]:
        found = (
            table.text("name", form=forms.label),
            table.text("locale", "en", form=forms.locale),
            table.text("timezone", form=forms.zone),
            table.texts("notify", (), form=forms.email),
        )
        table.done()
        return found

    return _read(members, read)


def _reader(services: Services, table: Table, *, kept: bool = True) -> WorldReader:
    allowed = "https?" if services.base_url.startswith("http:") else "https"
    return WorldReader(table, _as_it_stands, forms.url(allowed), kept)


def _as_it_stands(secret: str) -> str:
    if secret.startswith(("env:", "file:")):
        raise ValueError("env: and file: are read in a world file only; give the secret itself")
    return secret


def _read(members: Members, read: Callable[[Table], T]) -> T:
    problems: list[str] = []
    return _judged(read(Table("", _given(members), problems)), problems)


def _given(members: Members) -> dict[str, Any]:
    """The members that say something: null is what a world file leaves out."""
    return {name: value for name, value in members.items() if value is not None}


def _dated(members: Any) -> Any:
    """With the last day of implementation as a date, where it is one."""
    ends = members.get("implementation_ends") if isinstance(members, Mapping) else None
    if not isinstance(ends, str):
        return members
    try:
        return {**members, "implementation_ends": date.fromisoformat(ends)}
    except ValueError:
        error = "A date is wanted, such as 2027-03-01."
        raise Refused(Refusal.of_field("/implementation_ends", error)) from None


def _judged(value: T, problems: list[str]) -> T:
    if problems:
        errors = tuple(map(_pointed, problems[:50]))
        detail = "One field is wrong." if len(problems) == 1 else f"{len(problems)} fields are wrong."
        raise Refused(Refusal("validation", f"{detail} Nothing was changed.", errors))
    return value


def _pointed(problem: str) -> FieldError:
    path, _, detail = problem.partition(": ")
    pointer = _INDEX.sub(r"/\1", path.lstrip(".")).replace(".", "/")
    return FieldError(f"/{pointer}", f"{detail[:1].upper()}{detail[1:]}.")
