"""API clients, as the operator keeps them: each change stands in the vendor's log.

What a client may do is said once, when it is created, and never changed: bundles judge by it what a client did. Clients
that a world file declared are revoked when they no longer stand in it; those added by hand are left alone. Access on
what a revoked client filed would not be given any more: it ends in the same transaction, under the locks of all logs
that the client serves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.actions import clientrows, webhooks
from app.actions.clientrows import sealed
from app.actions.endings import end_of_clients
from app.actions.ledger import Ledger, lock, write
from app.actions.services import Services
from app.actions.worldspecs import ClientSpec
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.events import Actor, Event
from app.domain.ids import new_id
from app.domain.kinds import VENDOR
from app.storage import clients, institutions, service_meta
from app.storage.clients import ClientRow
from app.storage.database import Transaction
from app.tokens.clients import EVERY_INSTITUTION
from app.tokens.secrets import Secrets, new_secret

DECLARED = "declared-clients"
SECRET_PREFIX = "cs"  # noqa: S105 -- what secrets begin with


@dataclass(frozen=True, slots=True)
class Keys:
    """What a client proves itself by: keyed hashes of secrets, or public keys, here or at an address."""

    secrets: tuple[str, ...]
    jwks: Mapping[str, Any] | None
    jwks_uri: str | None

    @property
    def words(self) -> str:
        """What it is, for people."""
        return "secret" if self.secrets else "keys"


@dataclass(frozen=True, slots=True)
class ClientPlan:
    """What a world file changes about clients. `declared`: the names it holds."""

    added: tuple[ClientSpec, ...] = ()
    rotated: tuple[tuple[ClientRow, Keys], ...] = ()
    revoked: tuple[ClientRow, ...] = ()
    refused: tuple[str, ...] = ()
    declared: tuple[str, ...] = field(default=())

    def lines(self) -> list[str]:
        """The changes for people."""
        return [
            *(f"+ client {spec.id}" for spec in self.added),
            *(f"~ client {row.client_id}: {keys.words}" for row, keys in self.rotated),
            *(f"- client {row.client_id}" for row in self.revoked),
        ]


async def plan_clients(tx: Transaction, secrets: Secrets, specs: tuple[ClientSpec, ...]) -> ClientPlan:
    """Compare declared clients with those there are."""
    rows = {row.client_id: row for row in await clients.read_all(tx)}
    names = {spec.id for spec in specs}
    known = [(rows[spec.id], spec) for spec in specs if spec.id in rows]
    return ClientPlan(
        added=tuple(spec for spec in specs if spec.id not in rows),
        rotated=tuple((row, keys) for row, spec in known if (keys := _keys(secrets, spec)) != _kept(row)),
        revoked=tuple(await leaving(tx, names)),
        refused=tuple([line for row, spec in known async for line in _differences(tx, secrets, row, spec)]),
        declared=tuple(sorted(names)),
    )


async def leaving(tx: Transaction, names: Collection[str]) -> list[ClientRow]:
    """The clients that a world file of these names takes out."""
    before = await service_meta.read(tx, DECLARED) or {"clients": []}
    gone = set(before["clients"]) - set(names)
    return [row for row in await clients.read_all(tx) if row.client_id in gone and not row.disabled]


async def _differences(tx: Transaction, secrets: Secrets, row: ClientRow, spec: ClientSpec) -> AsyncIterator[str]:
    if row.disabled:
        yield f"client {spec.id}: was revoked, and stays so; declare it under another id"
        return
    if not await clientrows.is_sound(tx, secrets, row):
        yield f"client {spec.id}: its row was not written by this service; look with `countersign doctor`"
        return
    remedy = "what a client may do is never changed; declare it under another id and take this one out"
    for name, old, new in (
        ("scopes", row.scopes, spec.scopes),
        ("institutions", row.institutions, spec.institutions),
        ("audiences", row.audiences, spec.audiences),
    ):
        if old != new:
            yield f"client {spec.id}: {name}: {_listed(old)} -> {_listed(new)}; {remedy}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


async def change_clients(book: Ledger, plan: ClientPlan, operator: Actor) -> None:
    """Carry a plan out; `book` is the vendor's log."""
    for spec in plan.added:
        await _add(book, spec, operator)
    for row, keys in plan.rotated:
        await _rotate(book, row, keys, operator)
    for row in plan.revoked:
        await _revoke(book, row, operator)
    await service_meta.write(book.tx, DECLARED, {"clients": list(plan.declared)})


async def add_client(services: Services, operator: Actor, spec: ClientSpec) -> ClientRow:
    """Create a client by hand. Raises `Refused`: not-found before the first apply, validation for a taken id."""
    async with write(services, VENDOR) as book:
        row = await _add(book, spec, operator)
        await book.append()
    return row


async def revoke_client(services: Services, operator: Actor, client_id: str) -> None:
    """Shut a client off: it signs in no more, its webhooks are removed, and what runs on its requests ends, all in one
    transaction.

    Raises `Refused` not-found for an unknown or revoked client, `Unavailable` where an institution opens meanwhile.
    """
    async with services.database.begin() as tx:
        books = {code: await lock(services, tx, code) for code in sorted(await _served(tx, client_id))}
        row = await _live(tx, client_id)
        if not await _served(tx, client_id) <= books.keys():
            raise Unavailable("An institution was opened at the same time; ask again.")
        await _revoke(books[VENDOR], row, operator)
        await books[VENDOR].append()
        await webhooks.end_of_clients(tx, books, {row.id}, operator)
        for _, book in sorted(books.items()):
            await end_of_clients(book, {row.id})


async def _served(tx: Transaction, client_id: str) -> set[str]:
    """The logs that a client serves, and the vendor's. Raises `Refused` not-found."""
    row, there = await _live(tx, client_id), set(await institutions.codes(tx))
    return there if EVERY_INSTITUTION in row.institutions else there & {VENDOR, *row.institutions}


async def _live(tx: Transaction, client_id: str) -> ClientRow:
    """The client that signs in with this name. Raises `Refused` not-found."""
    row = await clients.of_client_id(tx, client_id)
    if row is None or row.disabled:
        raise Refused(Refusal("not-found", f"There is no client {client_id}."))
    return row


async def rotate_client(services: Services, operator: Actor, client_id: str, *, keep_old: bool) -> str:
    """Give a client a new secret, which is returned this once; `keep_old`: the last one counts on beside it.

    Raises `Refused`: not-found for an unknown or revoked client, records-in-doubt where its row is not ours,
    validation for one that has keys.
    """
    secret = new_secret(SECRET_PREFIX)
    async with write(services, VENDOR) as book:
        row = await _sound(book, client_id)
        if not row.secrets:
            raise Refused(Refusal.of_field("/id", f"{client_id} signs in with keys; change those where they are kept."))
        old = row.secrets[:1] if keep_old else ()
        hashes = (services.secrets.hash_secret(secret), *old)
        await _rotate(book, row, Keys(hashes, None, None), operator)
        await book.append()
    return secret


async def rekey_client(
    services: Services, operator: Actor, client_id: str, want: Callable[[ClientRow], ClientSpec | None]
) -> ClientRow:
    """Give a client the keys that `want` makes of its row (null: those it has), in the place of whatever counted.

    Raises `Refused`: not-found, records-in-doubt, and what `want` raises.
    """
    async with write(services, VENDOR) as book:
        row = await _sound(book, client_id)
        spec = want(row)
        if spec is not None and (keys := _keys(services.secrets, spec)) != _kept(row):
            row = await _rotate(book, row, keys, operator)
            await book.append()
    return row


async def _sound(book: Ledger, client_id: str) -> ClientRow:
    """The client's row, if it may be written anew. Raises `Refused`: not-found, records-in-doubt."""
    row = await _live(book.tx, client_id)
    if not await clientrows.is_sound(book.tx, book.services.secrets, row):
        raise Refused(Refusal("records-in-doubt", f"The row of {client_id} was not written by this service."))
    return row


def _keys(secrets: Secrets, spec: ClientSpec) -> Keys:
    hashes = () if spec.secret is None else (secrets.hash_secret(spec.secret),)
    return Keys(hashes, spec.jwks, spec.jwks_uri)


def _kept(row: ClientRow) -> Keys:
    return Keys(row.secrets, row.jwks, row.jwks_uri)


async def _add(book: Ledger, spec: ClientSpec, operator: Actor) -> ClientRow:
    secrets = book.services.secrets
    row = sealed(secrets, _row(book.now, secrets, spec), book.next_index)
    if not await clients.add(book.tx, row):
        raise Refused(Refusal.of_field("/id", f"There is a client {spec.id} already; choose another id."))
    data: Mapping[str, list[str]] = {
        "institutions": list(spec.institutions),
        "scopes": list(spec.scopes),
        "audiences": list(spec.audiences),
    }
    book.add(Event("client.created", row.id, operator, data, {"name": row.name}))
    return row


async def _rotate(book: Ledger, row: ClientRow, keys: Keys, operator: Actor) -> ClientRow:
    changed = replace(row, secrets=keys.secrets, jwks=keys.jwks, jwks_uri=keys.jwks_uri)
    changed = sealed(book.services.secrets, changed, book.next_index)
    await clients.save(book.tx, changed)
    book.add(Event("client.rotated", row.id, operator, {}))
    return changed


async def _revoke(book: Ledger, row: ClientRow, operator: Actor) -> None:
    changed = replace(row, disabled=True)
    await clients.save(book.tx, sealed(book.services.secrets, changed, book.next_index))
    book.add(Event("client.revoked", row.id, operator, {}))


def _row(at: datetime, secrets: Secrets, spec: ClientSpec) -> ClientRow:
    keys = _keys(secrets, spec)
    return ClientRow(
        id=new_id("cli", at),
        client_id=spec.id,
        name=spec.id,
        secrets=keys.secrets,
        jwks=keys.jwks,
        jwks_uri=keys.jwks_uri,
        scopes=spec.scopes,
        institutions=spec.institutions,
        audiences=spec.audiences,
    )
