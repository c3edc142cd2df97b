"""API clients, as the operator keeps them: each change stands in the vendor's log.

What a client may do is said once, when it is created, and never changed: bundles judge by it what a client did. Clients
that a world file declared are revoked when they no longer stand in it; those added by hand are left alone. Access on
what a revoked client filed would not be given any more: it ends in the same transaction, under the locks of all logs
that the client serves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.actions.ledger import Ledger, write
from app.actions.services import Services
from app.actions.worldspecs import ClientSpec
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.ids import new_id
from app.domain.kinds import VENDOR
from app.storage import clients, service_meta
from app.storage.clients import ClientRow
from app.storage.database import Transaction
from app.tokens.secrets import Secrets, new_secret

DECLARED = "declared-clients"
SECRET_PREFIX = "cs"  # noqa: S105 -- what secrets begin with


@dataclass(frozen=True, slots=True)
class ClientPlan:
    """What a world file changes about clients. `declared`: the names it holds."""

    added: tuple[ClientSpec, ...] = ()
    rotated: tuple[tuple[ClientRow, str], ...] = ()
    revoked: tuple[ClientRow, ...] = ()
    refused: tuple[str, ...] = ()
    declared: tuple[str, ...] = field(default=())

    def lines(self) -> list[str]:
        """The changes for people."""
        return [
            *(f"+ client {spec.id}" for spec in self.added),
            *(f"~ client {row.client_id}: secret" for row, _ in self.rotated),
            *(f"- client {row.client_id}" for row in self.revoked),
        ]


async def plan_clients(tx: Transaction, secrets: Secrets, specs: tuple[ClientSpec, ...]) -> ClientPlan:
    """Compare declared clients with those there are."""
    rows = {row.client_id: row for row in await clients.read_all(tx)}
    names = {spec.id for spec in specs}
    known = [(rows[spec.id], spec) for spec in specs if spec.id in rows]
    return ClientPlan(
        added=tuple(spec for spec in specs if spec.id not in rows),
        rotated=tuple(
            (row, hashed) for row, spec in known if row.secrets != ((hashed := secrets.hash_secret(spec.secret)),)
        ),
        revoked=tuple(await leaving(tx, names)),
        refused=tuple(line for row, spec in known for line in _differences(row, spec)),
        declared=tuple(sorted(names)),
    )


async def leaving(tx: Transaction, names: Collection[str]) -> list[ClientRow]:
    """The clients that a world file of these names takes out."""
    before = await service_meta.read(tx, DECLARED) or {"clients": []}
    gone = set(before["clients"]) - set(names)
    return [row for row in await clients.read_all(tx) if row.client_id in gone and not row.disabled]


def _differences(row: ClientRow, spec: ClientSpec) -> list[str]:
    if row.disabled:
        return [f"client {spec.id}: was revoked, and stays so; declare it under another id"]
    remedy = "what a client may do is never changed; declare it under another id and take this one out"
    return [
        f"client {spec.id}: {name}: {_listed(old)} -> {_listed(new)}; {remedy}"
        for name, old, new in (
            ("scopes", row.scopes, spec.scopes),
            ("institutions", row.institutions, spec.institutions),
            ("audiences", row.audiences, spec.audiences),
        )
        if old != new
    ]


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


async def change_clients(book: Ledger, plan: ClientPlan, operator: Actor) -> None:
    """Carry a plan out; `book` is the vendor's log."""
    for spec in plan.added:
        await _add(book, spec, operator)
    for row, hashed in plan.rotated:
        await _rotate(book, row, (hashed,), operator)
    for row in plan.revoked:
        await clients.save(book.tx, replace(row, disabled=True))
        book.add(Event("client.revoked", row.id, operator, {}))
    await service_meta.write(book.tx, DECLARED, {"clients": list(plan.declared)})


async def add_client(services: Services, operator: Actor, spec: ClientSpec) -> None:
    """Create a client by hand. Raises `Refused`: not-found before the first apply, already-exists."""
    async with write(services, VENDOR) as book:
        if await clients.of_client_id(book.tx, spec.id) is not None:
            raise Refused(Refusal.of_field("/id", f"There is a client {spec.id} already; choose another id."))
        await _add(book, spec, operator)
        await book.append()


async def rotate_client(services: Services, operator: Actor, client_id: str, *, keep_old: bool) -> str:
    """Give a client a new secret, which is returned this once; `keep_old`: the last one counts on beside it.

    Raises `Refused` not-found for an unknown or revoked client.
    """
    secret = new_secret(SECRET_PREFIX)
    async with write(services, VENDOR) as book:
        row = await clients.of_client_id(book.tx, client_id)
        if row is None or row.disabled:
            raise Refused(Refusal("not-found", f"There is no client {client_id}."))
        old = row.secrets[:1] if keep_old else ()
        await _rotate(book, row, (services.secrets.hash_secret(secret), *old), operator)
        await book.append()
    return secret


async def _add(book: Ledger, spec: ClientSpec, operator: Actor) -> None:
    row = _row(book.now, book.services.secrets, spec)
    if not await clients.add(book.tx, row):
        raise Refused(Refusal.of_field("/id", f"There is a client {spec.id} already; choose another id."))
    data: Mapping[str, list[str]] = {
        "institutions": list(spec.institutions),
        "scopes": list(spec.scopes),
        "audiences": list(spec.audiences),
    }
    book.add(Event("client.created", row.id, operator, data, {"name": row.name}))


async def _rotate(book: Ledger, row: ClientRow, hashes: tuple[str, ...], operator: Actor) -> None:
    await clients.save(book.tx, replace(row, secrets=hashes))
    book.add(Event("client.rotated", row.id, operator, {}))


def _row(at: datetime, secrets: Secrets, spec: ClientSpec) -> ClientRow:
    return ClientRow(
        id=new_id("cli", at),
        client_id=spec.id,
        name=spec.id,
        secrets=(secrets.hash_secret(spec.secret),),
        jwks=None,
        jwks_uri=None,
        scopes=spec.scopes,
        institutions=spec.institutions,
        audiences=spec.audiences,
    )
