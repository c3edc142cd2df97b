"""Administration by vendor systems with the scope `admin`: what is theirs to read, and what they propose.

Whatever belongs to an institution is proposed to its admins; a system changes nothing of it. What is not the caller's
looks like what is not there, before its scope is judged.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.actions import place_secrets, provider
from app.actions import wanted as wants
from app.actions.change_mails import tell_gathered
from app.actions.ledger import NOT_FOUND, Ledger, write
from app.actions.proposals import propose
from app.actions.provider import whole
from app.actions.services import Services
from app.actions.worldbodies import environment_of, general_of, person_of, policy_of, provider_of
from app.actions.worldspecs import EnvironmentSpec
from app.domain.environment import Environment
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor
from app.domain.institution import Institution
from app.domain.kinds import VENDOR, is_code
from app.domain.people import Person
from app.domain.proposal import Wanted
from app.storage import institutions, roster
from app.storage.institutions import InstitutionRow
from app.tokens.clients import EVERY_INSTITUTION, Caller
from app.trail import canonical

SCOPE = "admin"
_STALE = Refusal("stale", "It has changed since; read it again.")
_SECRETS = place_secrets.NAMES
Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """An institution as a vendor system sees it; `people`: display names by id."""

    row: InstitutionRow
    institution: Institution
    people: Mapping[str, str]
    now: datetime

    @property
    def policy_tag(self) -> str:
        """The strong entity tag of the policy."""
        return tag_of(self.institution.policy.to_data())

    @property
    def provider_tag(self) -> str:
        """The strong entity tag of the identity provider."""
        return tag_of(self.institution.provider.to_data())


def admit(caller: Caller, code: str) -> None:
    """Raise `Refused`: not-found for what is not the caller's, then insufficient-scope."""
    if not is_code(code) or code == VENDOR or not caller.serves(code):
        raise Refused(NOT_FOUND)


def judge_scope(caller: Caller) -> None:
    """Raise `Refused` insufficient-scope."""
    if SCOPE not in caller.scopes:
        detail = f"This needs the scope {SCOPE}."
        raise Refused(Refusal("insufficient-scope", detail, extra=(("scope", SCOPE),)))


async def seen(services: Services, caller: Caller, code: str) -> Seen:
    """One institution. Raises `Refused`: not-found, insufficient-scope."""
    admit(caller, code)
    async with services.database.read() as tx:
        row, now = await institutions.read(tx, code), await tx.now()
        names = {each.person: each.name for each in await roster.people(tx, code)}
    if row is None:
        raise Refused(NOT_FOUND)
    judge_scope(caller)
    return Seen(row, Institution.from_data(row.state), names, now)


async def all_seen(services: Services, caller: Caller) -> list[Seen]:
    """Every institution of the caller's, by code. Raises `Refused` insufficient-scope."""
    judge_scope(caller)
    only = None if EVERY_INSTITUTION in caller.institutions else sorted(caller.institutions)
    async with services.database.read() as tx:
        rows, now = await institutions.read_all(tx, only), await tx.now()
    return [Seen(row, Institution.from_data(row.state), {}, now) for row in rows if row.code != VENDOR]


def environment_in(found: Institution, name: str) -> Environment:
    """An environment by name. Raises `Refused` not-found."""
    if name not in found.environments:
        raise Refused(NOT_FOUND)
    return found.environments[name]


def person_in(found: Institution, person_id: str) -> Person:
    """A person of the roster. Raises `Refused` not-found."""
    person = found.people.get(person_id)
    if person is None or person.removed:
        raise Refused(NOT_FOUND)
    return person


async def set_policy(
    services: Services, caller: Caller, code: str, members: Members, if_match: str | None
) -> str | None:
    """Propose a policy; None where it is in force. Raises `Refused`: not-found, stale, validation."""

    async def want(book: Ledger) -> Wanted | None:
        judge_match(if_match, tag_of(book.institution.policy.to_data()))
        policy = policy_of(members)
        return None if policy == book.institution.policy else wants.of_policy(code, policy)

    return await _offer(services, caller, code, want)


async def set_provider(
    services: Services, caller: Caller, code: str, members: Members, if_match: str | None
) -> str | None:
    """Propose a provider with its secrets; None where it is in force with these secrets.

    Raises `Refused`: not-found, stale, validation.
    """
    admit(caller, code)
    async with write(services, code) as book:
        judge_scope(caller)
        judge_match(if_match, tag_of(book.institution.provider.to_data()))
        candidate = whole(services, book.row, book.institution, provider_of(services, members))
        change_id = await provider.set_or_propose(book, Actor("client", caller.cli), candidate)
        await tell_gathered(book)
        await book.append()
    return change_id


async def add_environment(services: Services, caller: Caller, code: str, members: Members) -> str | None:
    """Propose a new environment with its secrets."""

    async def want(book: Ledger) -> EnvironmentSpec:
        spec = environment_of(services, members)
        if spec.environment.environment in book.institution.environments:
            raise Refused(Refusal.of_field("/name", "There is an environment of this name already; change that one."))
        return spec

    return await _offer_environment(services, caller, code, want, members)


async def change_environment(services: Services, caller: Caller, code: str, name: str, patch: Members) -> str | None:
    """Propose to change an environment, its secrets among it; None where nothing would be other."""

    async def want(book: Ledger) -> EnvironmentSpec:
        old = environment_in(book.institution, name)
        merged = merge(environment_members(old), {key: each for key, each in patch.items() if key not in _SECRETS})
        given = {key: patch[key] for key in _SECRETS if patch.get(key) is not None}
        spec = environment_of(services, {**merged, **given})
        if spec.environment.environment != name:
            raise Refused(Refusal.of_field("/name", "A name stays; add another environment instead."))
        return spec

    return await _offer_environment(services, caller, code, want, patch)


async def add_person(services: Services, caller: Caller, code: str, members: Members) -> str | None:
    """Propose a person."""

    async def want(book: Ledger) -> Wanted | None:
        spec = person_of(members)
        return wants.of_person(book.now, spec.email, spec.name, spec.roles, spec.products)

    return await _offer(services, caller, code, want)


async def change_person(services: Services, caller: Caller, code: str, person_id: str, patch: Members) -> str | None:
    """Propose other roles or products; None where they are so."""

    async def want(book: Ledger) -> Wanted | None:
        person = person_in(book.institution, person_id)
        old = {"roles": list(person.roles), "products": list(person.products)}
        merged = {"roles": [], "products": []} | merge(old, patch)
        spec = person_of({**merged, "email": f"somebody@{person.email_domain}"})
        same = (spec.roles, spec.products) == (person.roles, person.products)
        return None if same else wants.of_roles(person_id, spec.roles, spec.products)

    return await _offer(services, caller, code, want)


async def remove_person(services: Services, caller: Caller, code: str, person_id: str) -> str | None:
    """Propose that a person leaves."""

    async def want(book: Ledger) -> Wanted | None:
        person_in(book.institution, person_id)
        return wants.of_removal(person_id)

    return await _offer(services, caller, code, want)


async def change_general(services: Services, caller: Caller, code: str, patch: Members) -> str | None:
    """Propose other general settings; None where they are so."""

    async def want(book: Ledger) -> Wanted | None:
        row, state = book.row, book.institution
        old = {"name": row.name, "locale": state.locale, "timezone": state.time_zone, "notify": list(row.notify)}
        found = general_of(merge(old, patch))
        same = found == (row.name, state.locale, state.time_zone, row.notify)
        name, locale, time_zone, notify = found
        return None if same else wants.of_institution(code, name, notify, locale, time_zone)

    return await _offer(services, caller, code, want)


def environment_members(found: Environment) -> dict[str, Any]:
    """An environment by the names of the world file."""
    names = {"name": "environment", "gateway_audience": "audience"}
    fields = ("name", "product", "tier", "phase", "url", "gateway_audience", "implementation_ends")
    return {field: getattr(found, names.get(field, field)) for field in fields}


def merge(old: Members, patch: Members) -> dict[str, Any]:
    """A flat JSON merge patch (RFC 7396): null takes a member away."""
    return {name: value for name, value in {**old, **patch}.items() if value is not None}


def tag_of(value: Mapping[str, Any]) -> str:
    """A strong entity tag (RFC 9110, section 8.8.3) of what a value says."""
    return f'"{canonical.sha(canonical.encode(dict(value))).removeprefix("sha256:")[:32]}"'


def judge_match(if_match: str | None, tag: str) -> None:
    """Raise `Refused` stale where `If-Match` names other tags than this."""
    if if_match is not None and if_match.strip() != "*" and tag not in map(str.strip, if_match.split(",")):
        raise Refused(_STALE)


async def _offer(
    services: Services, caller: Caller, code: str, want: Callable[[Ledger], Awaitable[Wanted | None]]
) -> str | None:
    admit(caller, code)
    async with write(services, code) as book:
        judge_scope(caller)
        wanted = await want(book)
        if wanted is None:
            return None
        change_id = await propose(book, Actor("client", caller.cli), wanted)
        await tell_gathered(book)
        await book.append()
    return change_id


async def _offer_environment(
    services: Services,
    caller: Caller,
    code: str,
    want: Callable[[Ledger], Awaitable[EnvironmentSpec]],
    given: Members,
) -> str | None:
    """Propose it with what of its secrets would be other; before the enrolment those are sealed at once."""
    admit(caller, code)
    async with write(services, code) as book:
        judge_scope(caller)
        spec = await want(book)
        environment, name = spec.environment, spec.environment.environment
        named = [each for each in place_secrets.NAMES if each in given]
        secrets = place_secrets.other(services.secrets, code, spec, await place_secrets.read(book, name), named)
        await place_secrets.judge_key(book, name, secrets)
        if book.institution.enrolled_at is None:
            await place_secrets.keep(book, name, secrets)
            secrets = {}
        if environment == book.institution.environments.get(name) and not secrets:
            return None
        change_id = await propose(book, Actor("client", caller.cli), wants.of_environment(code, environment), secrets)
        await tell_gathered(book)
        await book.append()
    return change_id
