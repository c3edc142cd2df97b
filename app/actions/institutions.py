"""What the service holds, as a world file declares it: applied whole or not at all, any number of times.

Creating is done here: the vendor's log, institutions with their trails, API clients. What an institution's trail pins
is changed by its own admins alone, so where a file differs there it is proposed to them, other secrets too. Before the
enrolment those are sealed anew, but for those of a provider that is not in force yet. An institution
that is not in the file is left as it is, but that access ends on what a client filed that the file takes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.actions import place_secrets, webhooks
from app.actions.announce import announced
from app.actions.change_mails import tell_gathered
from app.actions.changing import carry_out
from app.actions.clients import ClientPlan, change_clients, leaving, plan_clients
from app.actions.endings import end_of_clients
from app.actions.judging import judge, other_providers
from app.actions.keys import make_trail_key, token_key_event, trail_key_event, untold_keys
from app.actions.ledger import Ledger, lock
from app.actions.opening import Vendor, environment_secrets, open_trail, sealed
from app.actions.proposals import propose, waiting, waits_already
from app.actions.registrations import holds_secret
from app.actions.secretdiff import with_secrets
from app.actions.services import Services
from app.actions.witnessplan import WitnessPlan, change_witnesses, plan_witnesses
from app.actions.worlddiff import Difference, differences, general, impossible, lines
from app.actions.worldforms import NOT_ALONE, url_key
from app.actions.worldspecs import InstitutionSpec, World
from app.actions.worldtable import WorldError
from app.domain.errors import IllegalTransition, Unavailable
from app.domain.events import Actor, Event
from app.domain.institution import Institution
from app.domain.kinds import VENDOR
from app.storage import institutions, roster
from app.storage.database import Transaction
from app.storage.institutions import InstitutionRow
from app.storage.leaves import LogExists
from app.storage.roster import RosterRow
from app.tokens.clients import EVERY_INSTITUTION
from app.tokens.keys import SigningKey
from app.tokens.secrets import Secrets
from app.trail.canonical import CanonicalError

_VENDORS = "what the vendor's log pins cannot be changed yet"


@dataclass(frozen=True, slots=True)
class Applied:
    """What a world file did, or would do. `created`: codes, each with its enrolment code (null where it only would be).

    `refused` is what stands in the way; then nothing was applied.
    """

    created: tuple[tuple[str, str | None], ...]
    changed: tuple[str, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    opened: tuple[InstitutionSpec, ...]
    resealed: tuple[InstitutionSpec, ...]
    differences: tuple[Difference, ...]
    clients: ClientPlan
    witnesses: WitnessPlan
    keys: tuple[SigningKey, ...]
    refused: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        return (
            *(f"+ {_called(spec)}" for spec in self.opened),
            *(f"~ {_called(spec)}: secrets" for spec in self.resealed),
            *(f"{'~' if each.at_once else '?'} {line}" for each in self.differences for line in each.lines),
            *(f"+ token key {key.kid}" for key in self.keys),
            *self.clients.lines(),
            *self.witnesses.lines(),
        )

    def outcome(self, created: Mapping[str, str]) -> Applied:
        new = tuple((spec.code, created.get(spec.code)) for spec in self.opened if spec.code != VENDOR)
        return Applied(new, self.lines(), self.refused)


async def plan(services: Services, world: World) -> Applied:
    """What `apply` would do now. Changes nothing."""
    async with services.database.read() as tx:
        return (await _plan(services, tx, world)).outcome({})


async def apply(services: Services, world: World, operator: Actor) -> Applied:
    """Make the service hold what the file declares. Raises `WorldError`, `Unavailable`, `KeysError`."""
    try:
        async with services.database.begin() as tx:
            books = {code: await lock(services, tx, code) for code in sorted(await _touched(tx, world))}
            if not await _touched(tx, world) <= books.keys():  # changed before we had all locks
                raise Unavailable("Another apply ran at the same time; run this one again.")
            planned = await _plan(services, tx, world)
            if planned.refused or not planned.lines():
                return planned.outcome({})
            return planned.outcome(await _carry_out(services, tx, world, planned, books, operator))
    except LogExists as error:
        raise Unavailable("Another apply ran at the same time; run this one again.") from error


async def _touched(tx: Transaction, world: World) -> set[str]:
    """The logs there are that applying may append to: the file's own, and those that a client served which goes."""
    there = set(await institutions.codes(tx))
    served = {code for row in await leaving(tx, {spec.id for spec in world.clients}) for code in row.institutions}
    return there if EVERY_INSTITUTION in served else there & {VENDOR, *served, *(s.code for s in world.institutions)}


async def _carry_out(
    services: Services, tx: Transaction, world: World, planned: _Plan, books: dict[str, Ledger], operator: Actor
) -> dict[str, str]:
    """Do what was planned; the enrolment codes of what was created."""
    vendor = Vendor(world.vendor_domains, (world.vendor.provider.provider.issuer,))
    codes: dict[str, str] = {}
    told = [token_key_event(key, operator) for key in planned.keys]
    for spec in sorted(planned.opened, key=lambda each: each.code):
        make_trail_key(services, spec.code)
        try:
            opened = await open_trail(services, tx, spec, vendor, operator)
        except (IllegalTransition, CanonicalError) as error:
            raise WorldError([f"{spec.path}.{error}"]) from error
        opened.book.add(*await announced(tx, spec.code, operator))
        await opened.book.append()
        books[spec.code] = opened.book
        told.append(trail_key_event(services, spec.code, opened.book.head.origin, operator))
        if spec.code != VENDOR:
            codes[spec.code] = opened.enrolment_code
            registered = {"code": spec.code, "opened": opened.digest}
            told.append(Event("institution.registered", VENDOR, operator, registered))
    for spec in planned.resealed:
        await _reseal(services.secrets, tx, spec, books[spec.code])
    for code in sorted({each.code for each in planned.differences}):
        await _agree(books[code], [each for each in planned.differences if each.code == code], operator)
    book = books[VENDOR]
    book.add(*told)
    await change_clients(book, planned.clients, operator)
    await change_witnesses(book, planned.witnesses, operator)
    book.add(Event("configuration.applied", VENDOR, operator, {"digest": world.digest}))
    await book.append()
    gone = {row.id for row in planned.clients.revoked}
    await webhooks.end_of_clients(tx, books, gone, operator)
    for code in sorted(books) if gone else ():
        await end_of_clients(books[code], gone)
    return codes


async def _reseal(secrets: Secrets, tx: Transaction, spec: InstitutionSpec, book: Ledger) -> None:
    if book.institution.provider == spec.provider.provider:
        book.row = sealed(secrets, spec, book.row)
        await institutions.save(tx, book.row)
    for each in spec.environments:
        await institutions.set_environment_secrets(tx, environment_secrets(secrets, spec.code, each))


async def _agree(book: Ledger, found: Sequence[Difference], operator: Actor) -> None:
    """Propose to the institution's admins what is theirs to say, and do the rest."""
    known = await waiting(book.tx, book.institution)
    for each in sorted(found, key=lambda each: not each.at_once):  # which appends what is gathered
        if each.at_once:
            await carry_out(book, each.wanted, each.wanted.event(operator), each.secrets)
        else:
            await propose(book, operator, each.wanted, each.secrets, known)
    await tell_gathered(book)
    await book.append()


async def _plan(services: Services, tx: Transaction, world: World) -> _Plan:
    rows = {row.code: row for row in await institutions.read_all(tx)}
    specs = (world.vendor, *world.institutions)
    opened = tuple(spec for spec in specs if spec.code not in rows)
    refused = [*_taken_urls(opened, rows), *_not_alone(opened, rows), *_other_domains(world, rows)]
    resealed, differ = [], list[Difference]()
    for spec in specs:
        if (row := rows.get(spec.code)) is not None:
            people = {each.person: each for each in await roster.people(tx, spec.code)}
            if spec.code == VENDOR:
                refused += _pinned(spec, row, people)
            else:
                differ += await _differ(services, tx, spec, row, people, refused)
            if not row.enrolled and await _has_other_secrets(services.secrets, tx, spec, row):
                resealed.append(spec)
    clients = await plan_clients(tx, services.secrets, world.clients)
    refused += clients.refused
    asked = await plan_witnesses(tx, world.witnesses)
    untold = tuple(await untold_keys(services, tx))
    return _Plan(opened, tuple(resealed), tuple(differ), clients, asked, untold, tuple(refused))


async def _differ(
    services: Services,
    tx: Transaction,
    spec: InstitutionSpec,
    row: InstitutionRow,
    people: Mapping[str, RosterRow],
    refused: list[str],
) -> list[Difference]:
    """What is to be proposed and does not wait yet with the same secrets; what cannot be goes to `refused`."""
    state, now = Institution.from_data(row.state), await tx.now()
    refused += impossible(spec, row, people)
    known, new = await waiting(tx, state), list[Difference]()
    found = differences(spec, row, people, now)
    kept = {each.environment: each for each in await institutions.environment_secrets(tx, spec.code)}
    for each in with_secrets(services.secrets, spec, row, kept, found) if row.enrolled else found:
        judged = await judge(tx, state, now, each.wanted)
        if judged is not None:
            refused.append(f"{each.lines[0].rpartition('; ')[0]}; {judged.detail}")
        elif not await waits_already(services.secrets, tx, known, each.code, each.wanted, each.secrets):
            new.append(each)
    return new


def _called(spec: InstitutionSpec) -> str:
    return f"vendor ({spec.name})" if spec.code == VENDOR else f"institution {spec.code} ({spec.name})"


def _taken_urls(opened: tuple[InstitutionSpec, ...], rows: Mapping[str, InstitutionRow]) -> Iterator[str]:
    """New environments at the URL of one that there is."""
    states = {code: Institution.from_data(row.state) for code, row in rows.items()}
    taken = {url_key(each.url): code for code, state in states.items() for each in state.environments.values()}
    for spec in opened:
        for place, each in enumerate(spec.environments):
            code = taken.get(url_key(each.environment.url))
            if code is not None:
                path = f"{spec.path}.environments[{place}].url"
                yield f"{path}: {each.environment.url} is an environment of {code}; an environment belongs to one"


def _not_alone(opened: tuple[InstitutionSpec, ...], rows: Mapping[str, InstitutionRow]) -> Iterator[str]:
    """New institutions whose provider serves another one alone, as that one says."""
    for spec in opened:
        if any(spec.provider.provider.contradicts(each) for each in other_providers(spec.code, rows.values())):
            yield f"{spec.path}.identity_provider.exclusive: {NOT_ALONE}"


def _other_domains(world: World, rows: Mapping[str, InstitutionRow]) -> Iterator[str]:
    if VENDOR in rows:
        old = Institution.from_data(rows[VENDOR].state).vendor_domains
        yield from lines("vendor.domains", {"": list(old)}, {"": list(world.vendor_domains)}, _VENDORS)


def _pinned(spec: InstitutionSpec, row: InstitutionRow, people: Mapping[str, RosterRow]) -> Iterator[str]:
    """Where the file says other than what the vendor's log pins, a line each."""
    state = Institution.from_data(row.state)
    told = {"name": spec.name, "notify": list(spec.notify), "locale": spec.locale, "timezone": spec.time_zone}
    yield from lines(spec.path, general(row, state), told, _VENDORS)
    provider = spec.provider.provider.to_data()
    yield from lines(f"{spec.path}.identity_provider", state.provider.to_data(), provider, _VENDORS)
    listed = {
        people[key].email: {"name": people[key].name, "roles": list(each.roles), "products": list(each.products)}
        for key, each in state.people.items()
        if not each.removed and (each.roles or each.source == "roster")  # who came by a claim is the provider's to list
    }
    declared = {
        each.email: {"name": each.name, "roles": list(each.roles), "products": list(each.products)}
        for each in spec.people
    }
    yield from lines(f"{spec.path}.people", listed, declared, _VENDORS)


async def _has_other_secrets(secrets: Secrets, tx: Transaction, spec: InstitutionSpec, row: InstitutionRow) -> bool:
    """Whether the file has another secret of a registration or an environment than what is sealed."""
    provider, given = Institution.from_data(row.state).provider, spec.provider
    registrations = (
        (provider.client_id, row.client_secret, given.client_secret),
        (provider.approval_client_id, row.approval_client_secret, given.approval_client_secret),
    )
    if provider == given.provider and not all(
        holds_secret(secrets, spec.code, *registration) for registration in registrations
    ):
        return True
    kept = {each.environment: each for each in await institutions.environment_secrets(tx, spec.code)}
    return any(
        place_secrets.other(secrets, spec.code, each, kept.get(each.environment.environment))
        for each in spec.environments
    )
