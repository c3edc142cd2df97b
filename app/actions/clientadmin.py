"""API clients, administered by a vendor system that serves every institution; to all others none of this is there.

The entries name an operator, for nobody else keeps clients; which one follows from the system that asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.actions import clients, worldforms
from app.actions.administration import judge_scope
from app.actions.clients import SECRET_PREFIX
from app.actions.ledger import NOT_FOUND
from app.actions.operators import operator_behind
from app.actions.services import Services
from app.actions.worldbodies import client_of
from app.actions.worldspecs import ClientSpec
from app.domain.errors import FieldError, Refusal, Refused
from app.storage import clients as stored
from app.storage.clients import ClientRow
from app.tokens.clients import EVERY_INSTITUTION, Caller
from app.tokens.secrets import new_secret

Members = Mapping[str, Any]
FIXED = ("scopes", "institutions", "audiences")
"""What a client may do: said when it is created, and never changed."""


@dataclass(frozen=True, slots=True)
class ClientView:
    """A client as who administers it sees it; `secret` of one that was created just now, unless it brought keys."""

    row: ClientRow
    secret: str | None = field(default=None, repr=False)


def admit(caller: Caller) -> None:
    """Raise `Refused`: not-found for a system held to institutions, then insufficient-scope."""
    if EVERY_INSTITUTION not in caller.institutions:
        raise Refused(NOT_FOUND)
    judge_scope(caller)


async def find(services: Services, caller: Caller) -> list[ClientView]:
    """Every client that is not revoked, by name. Raises `Refused`: not-found, insufficient-scope."""
    admit(caller)
    async with services.database.read() as tx:
        rows = await stored.read_all(tx)
    return [ClientView(row) for row in sorted(rows, key=lambda row: row.client_id) if not row.disabled]


async def read(services: Services, caller: Caller, name: str) -> ClientView:
    """A client by the name it signs in with. Raises `Refused`: not-found, insufficient-scope."""
    _admit_to(caller, name)
    async with services.database.read() as tx:
        row = await stored.of_client_id(tx, name)
    if row is None or row.disabled:
        raise Refused(NOT_FOUND)
    return ClientView(row)


async def create(services: Services, caller: Caller, members: Members) -> ClientView:
    """A new client, with its secret unless it brought keys.

    Raises `Refused`: not-found, insufficient-scope, validation.
    """
    admit(caller)
    ways = {name for name in ("jwks", "jwks_uri") if members.get(name) is not None}
    if len(ways) > 1:
        raise Refused(_ONE_WAY)
    secret = None if ways else new_secret(SECRET_PREFIX)
    spec = client_of(services, {**members, "secret": secret})
    return ClientView(await clients.add_client(services, operator_behind(services, caller), spec), secret)


async def change(services: Services, caller: Caller, name: str, members: Members) -> ClientView:
    """Give it other keys, by a merge patch (RFC 7396) of `jwks` and `jwks_uri`; a secret it had counts no more.

    Raises `Refused`: not-found, insufficient-scope, validation, records-in-doubt.
    """
    _admit_to(caller, name)

    def want(row: ClientRow) -> ClientSpec | None:
        _judge_fixed(row, members)
        before = {"jwks": row.jwks, "jwks_uri": row.jwks_uri}
        after = {**before, **{key: members[key] for key in before if key in members}}
        if after == before:
            return None
        if sum(way is not None for way in after.values()) != 1:
            raise Refused(_ONE_WAY)
        return client_of(services, {"id": row.client_id, **{key: list(getattr(row, key)) for key in FIXED}, **after})

    return ClientView(await clients.rekey_client(services, operator_behind(services, caller), name, want))


async def rotate(services: Services, caller: Caller, name: str) -> str:
    """A new secret, told this once; the one of now counts beside it, and none before.

    Raises `Refused`: not-found, insufficient-scope, validation for one that has keys, records-in-doubt.
    """
    _admit_to(caller, name)
    return await clients.rotate_client(services, operator_behind(services, caller), name, keep_old=True)


async def revoke(services: Services, caller: Caller, name: str) -> None:
    """Shut it off, with all that runs on what it filed. Raises `Refused`: not-found, insufficient-scope."""
    _admit_to(caller, name)
    await clients.revoke_client(services, operator_behind(services, caller), name)


def _admit_to(caller: Caller, name: str) -> None:
    """Raise `Refused`: not-found, also for what can be no client's name; insufficient-scope."""
    admit(caller)
    try:
        worldforms.client(name)
    except ValueError as error:
        raise Refused(NOT_FOUND) from error


def _judge_fixed(row: ClientRow, members: Members) -> None:
    """Raise `Refused` validation where it shall be allowed other things."""
    other = [key for key in FIXED if key in members and set(members[key]) != set(getattr(row, key))]
    if other:
        detail = "This never changes; create another client and revoke this one."
        errors = tuple(FieldError(f"/{key}", detail) for key in other)
        raise Refused(Refusal("validation", "What a client may do never changes. Nothing was changed.", errors))


_ONE_WAY = Refusal.of_field("/jwks_uri", "A client has either jwks or jwks_uri; send null for the other.")
