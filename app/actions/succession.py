"""A successor of a log that was rolled back and cannot be made whole (`trail-format.md`, *Checkpoints*).

Entries that were signed are lost, so nothing may ever be signed of that log again. What is left of it is set aside,
and a new log begins under the next origin, `…/CODE/2`: its entry 0 lays down what the old log last told of provider,
people, environments and policy, and names the old origin with the size and root that were last signed of it. People
bind anew, the new code is confirmed, nothing that the old log gave goes on.

The store of signed heads is told first: from then on the old log is refused there, whichever backup comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from app.actions import clientrows, seals
from app.actions.announce import announced
from app.actions.checkpoints import checkpoint, judge_last
from app.actions.keys import token_key_event, trail_key_event, untold_keys
from app.actions.ledger import NOT_FOUND, Ledger, lock
from app.actions.opening import Opened, Start, Vendor, begin_trail
from app.actions.services import Services
from app.actions.worldspecs import EnvironmentSpec, InstitutionSpec, PersonSpec, ProviderSpec
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.events import Actor, Event
from app.domain.institution import Institution
from app.domain.kinds import VENDOR
from app.storage import clients, entries, institutions, leaves, nodes, roster, succession, witnesses
from app.storage.database import Transaction
from app.storage.heads import HeadStoreError, SignedHead
from app.storage.institutions import InstitutionRow
from app.trail import canonical

_IN_DOUBT = "records-in-doubt"


@dataclass(frozen=True, slots=True)
class Loss:
    """What a succession would give up: the log has `size` entries, and its last checkpoint was of `signed`.

    `origin` would be the successor's.
    """

    code: str
    origin: str
    size: int
    signed: SignedHead


@dataclass(frozen=True, slots=True)
class Succeeded:
    """A log that was succeeded. `aside`: the name of what is left of it; `enrolment_code`: null for the vendor's."""

    loss: Loss
    aside: str
    enrolment_code: str | None


async def foresee(services: Services, code: str) -> Loss:
    """What `succeed` would give up. Changes nothing; raises what it raises."""
    async with services.database.read() as tx:
        row = await institutions.read(tx, code)
        if row is None:
            raise Refused(NOT_FOUND)
        _, edge = await nodes.snapshot(tx, code)
        return await _judge(services, tx, row, edge.size)


async def succeed(services: Services, code: str, operator: Actor) -> Succeeded:
    """Set a rolled-back log aside and open its successor.

    `services` hold the database as the owner of its tables, because the service itself may move nothing of a trail.
    Raises `Refused`: not-found; wrong-state for a log that is not rolled back; records-in-doubt where a row is not as
    this service wrote it. `Unavailable` trail-rolled-back where the vendor's log has to be succeeded first.
    """
    async with services.database.begin() as tx:
        row, head, vendor = await _locked(services, tx, code)
        loss = await _judge(services, tx, row, head.size)
        await _judge_rows(services, tx, row)
        spec = await _spec(tx, row)
        await _close(services, loss)
        aside = await succession.set_aside(tx, code)
        opened = await _open(services, tx, spec, row, loss, operator)
        if vendor is None:
            await _tell_vendors(services, opened.book, operator)
        else:
            await _tell(services, vendor, opened, operator)
    await checkpoint(services, code)  # from now on its end too is kept outside the database
    return Succeeded(loss, aside, None if vendor is None else opened.enrolment_code)


async def _locked(services: Services, tx: Transaction, code: str) -> tuple[InstitutionRow, leaves.Head, Ledger | None]:
    """The log, and the vendor's where it is another, locked in the order of their codes."""
    vendor = await _vendor(services, tx) if code > VENDOR else None
    try:
        head = await leaves.lock(tx, code)
    except KeyError as error:
        raise Refused(NOT_FOUND) from error
    row = await institutions.read(tx, code)
    if row is None:
        raise Refused(NOT_FOUND)
    return row, head, await _vendor(services, tx) if code < VENDOR else vendor


async def _vendor(services: Services, tx: Transaction) -> Ledger:
    try:
        return await lock(services, tx, VENDOR)
    except Unavailable as doubt:
        if doubt.problem != "trail-rolled-back":
            raise
        detail = "The vendor's own log is rolled back as well, and has to tell of the new one: succeed VENDOR first."
        raise Unavailable(detail, doubt.problem) from doubt


async def _judge(services: Services, tx: Transaction, row: InstitutionRow, size: int) -> Loss:
    """Raise `Refused` wrong-state unless the log can never sign again."""
    signed, origin = await asyncio.to_thread(_last_of, services, row.code)
    try:
        await judge_last(services, tx, row.code)
    except Unavailable as doubt:
        if doubt.problem != "trail-rolled-back" or signed is None:
            raise
        return Loss(row.code, origin, size, signed)
    detail = f"The log of {row.code} goes on from what was last signed of it; there is nothing to succeed."
    raise Refused(Refusal("wrong-state", detail))


def origin_in_force(services: Services, code: str) -> str:
    """The origin of the log that goes on, by the store of signed heads alone. Raises `Unavailable`."""
    origin = services.origin(code)
    try:
        while (found := services.heads.read(origin)) is not None and found.successor is not None:
            origin = found.successor
    except HeadStoreError as error:
        raise Unavailable(str(error)) from error
    return origin


def _last_of(services: Services, code: str) -> tuple[SignedHead | None, str]:
    """The last signed head of the last log of a code that ever signed, and the origin after it."""
    last, number = None, 1
    origin = services.origin(code)
    try:
        while (found := services.heads.read(origin)) is not None:
            last, number = found, number + 1
            origin = f"{services.origin(code)}/{number}"
    except HeadStoreError as error:
        raise Unavailable(str(error)) from error
    return last, origin


async def _judge_rows(services: Services, tx: Transaction, row: InstitutionRow) -> None:
    """Raise `Refused` unless the rows that the successor begins with are as this service last wrote them."""
    if not await seals.hold(services.secrets, tx, row):
        detail = f"The row of {row.code} is not as its log tells it; look with `countersign doctor`."
        raise Refused(Refusal(_IN_DOUBT, detail))
    for each in await clients.read_all(tx) if row.code == VENDOR else ():
        if not await clientrows.is_sound(tx, services.secrets, each):
            detail = f"The row of {each.client_id} was not written by this service; look with `countersign doctor`."
            raise Refused(Refusal(_IN_DOUBT, detail))


async def _spec(tx: Transaction, row: InstitutionRow) -> InstitutionSpec:
    """What the old log last told, as an institution is declared. Roles by claim come back with the sign-ins."""
    state = Institution.from_data(row.state)
    known = {each.person: each for each in await roster.people(tx, row.code)}
    people = tuple(
        PersonSpec(known[key].email, known[key].name, each.roles, each.products)
        for key, each in state.people.items()
        if not each.removed and each.roles
    )
    return InstitutionSpec(
        path=row.code,
        code=row.code,
        name=row.name,
        locale=state.locale,
        time_zone=state.time_zone,
        notify=row.notify,
        provider=ProviderSpec(state.provider, "", None),
        policy=state.policy,
        environments=tuple(EnvironmentSpec(each, None, None, None) for each in state.environments.values()),
        people=people,
    )


async def _close(services: Services, loss: Loss) -> None:
    """Note in the store who goes on. What fails after this is begun again by the same command."""
    closed = replace(loss.signed, successor=loss.origin)
    if closed == loss.signed:
        return
    try:
        done = await asyncio.to_thread(services.heads.swap, loss.signed, closed)
    except HeadStoreError as error:
        raise Unavailable(str(error)) from error
    if not done:
        raise Unavailable("The last signed head changed meanwhile; run the command again.")


async def _open(
    services: Services, tx: Transaction, spec: InstitutionSpec, row: InstitutionRow, loss: Loss, operator: Actor
) -> Opened:
    state = Institution.from_data(row.state)
    vendor = Vendor(state.vendor_domains, state.vendor_issuers)
    continues = replace(loss.signed, successor=None)
    start = Start(loss.origin, continues, row.client_secret, row.approval_client_secret)
    opened = await begin_trail(services, tx, spec, vendor, operator, start)
    opened.book.add(*await announced(tx, spec.code, operator))
    await opened.book.append()
    return opened


async def _tell(services: Services, vendor: Ledger, opened: Opened, operator: Actor) -> None:
    """The vendor's log tells of an institution's new log, and of its key."""
    code = opened.book.code
    registered = {"code": code, "opened": opened.digest}
    vendor.add(
        trail_key_event(services, code, opened.book.head.origin, operator),
        Event("institution.registered", VENDOR, operator, registered),
    )
    await vendor.append()


async def _tell_vendors(services: Services, book: Ledger, operator: Actor) -> None:
    """The vendor's own new log tells again, in the append of its entry 0, what bundles rely on."""
    tx = book.tx
    book.add(*[token_key_event(key, operator) for key in await untold_keys(services, tx)])
    for row in await institutions.read_all(tx):
        book.add(trail_key_event(services, row.code, row.origin, operator))
    asked = sorted(each.vkey for each in await witnesses.every(tx))
    if asked:
        book.add(Event("witness.set", VENDOR, operator, {"vkeys": asked}))
    book.add(*[each async for each in _registrations(tx, operator)])
    for client in await clients.read_all(tx):
        await _carry(services, book, client, operator)
    await book.append()


async def _registrations(tx: Transaction, operator: Actor) -> AsyncIterator[Event]:
    for code in await institutions.codes(tx):
        if code != VENDOR:
            ((leaf, _),) = await entries.read_bytes(tx, code, 0, 1)
            registered = {"code": code, "opened": canonical.sha(leaf)}
            yield Event("institution.registered", VENDOR, operator, registered)


async def _carry(services: Services, book: Ledger, row: clients.ClientRow, operator: Actor) -> None:
    """A client goes on, or stays shut off; its row is sealed to the new entry."""
    data = {
        "institutions": list(row.institutions),
        "scopes": list(row.scopes),
        "audiences": list(row.audiences),
    }
    told = book.place(Event("client.created", row.id, operator, data, {"name": row.name}))
    if row.disabled:
        told = book.place(Event("client.revoked", row.id, operator, {}))
    await clients.save(book.tx, clientrows.sealed(services.secrets, row, told.index))
