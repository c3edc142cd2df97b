"""One answer to one `Idempotency-Key`: the key and its answer commit with the change that the answer tells of.

    answer = await once(services, caller.cli, key, act)

`act` is any action with the answer to it. It is handed services whose database is inside the transaction of the key, so
that every block it begins is part of that one, and a crash leaves either nothing or all three. What it refuses is
committed as it would be without a key; the key is given back, for refusals are not kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from app.actions.services import Services
from app.domain.errors import Refused
from app.storage import idempotency
from app.storage.database import Joined, Transaction
from app.storage.idempotency import Answer

__all__ = ["KEY_LIFE", "Answer", "Key", "kept", "once"]

KEY_LIFE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key, and the hash of the method, target and body it came with."""

    key: str
    fingerprint: bytes


async def once(
    services: Services,
    client: str,
    key: Key | None,
    act: Callable[[Services], Awaitable[Answer]],
    log: str | None = None,
) -> Answer:
    """The answer of `act`, or the one that it gave to the same key before; without a key, `act` alone.

    `client` is the `cli_…` whose key it is, `log` the one that changes, where that is known before.
    Raises `Refused`: idempotency-mismatch, idempotency-in-progress, and what `act` raises.
    """
    if key is None:
        return await act(services)
    async with services.database.begin(log) as tx:
        now = await tx.now()
        found = await idempotency.reserve(tx, client, key.key, key.fingerprint, now, now + KEY_LIFE)
        if found is not None:
            return _replayed(services, client, key, found)
        outcome = await _inside(services, tx, act)
        if isinstance(outcome, Answer):
            sealed = services.secrets.seal(_label(client, key), outcome.body)  # it may hold names, or a new secret
            await idempotency.keep(tx, client, key.key, replace(outcome, body=sealed))
            return outcome
        await idempotency.release(tx, client, key.key)
    raise outcome


async def kept(services: Services, client: str, key: Key | None) -> Answer | None:
    """The answer that the same key had before, for what costs much before `once` is reached. Raises `Refused`."""
    if key is None:
        return None
    async with services.database.read() as tx:
        found = await idempotency.read(tx, client, key.key, key.fingerprint, await tx.now())
    return None if found is None else _replayed(services, client, key, found)


def _replayed(services: Services, client: str, key: Key, found: Answer) -> Answer:
    return replace(found, body=services.secrets.open(_label(client, key), found.body), replayed=True)


async def _inside(
    services: Services, tx: Transaction, act: Callable[[Services], Awaitable[Answer]]
) -> Answer | Refused:
    """The answer, or a refusal whose blocks all ended well; any other ends the transaction with nothing done."""
    joined = Joined(tx)
    try:
        return await act(replace(services, database=joined))
    except Refused as refused:
        if joined.broken:
            raise
        return refused


def _label(client: str, key: Key) -> str:
    return f"idempotency/{client}/{key.key}"
