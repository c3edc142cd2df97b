"""Signing keys in the vendor's log: each is added before anything relies on it, and retired where all can see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from app.actions.checkpoints import signers
from app.actions.ledger import NOT_FOUND, Ledger, write
from app.actions.services import Services
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.events import Actor, Event
from app.domain.kinds import VENDOR
from app.storage import entries, institutions
from app.storage.database import Transaction
from app.storage.entries import LeafFilter
from app.tokens.keyfiles import KeysError
from app.tokens.keys import (
    CLIENT,
    Rotation,
    SigningKey,
    create_trail,
    finish_trail,
    new_trail,
    overlap_trail,
    rotate,
)
from app.trail import canonical
from app.trail.note import VerifierKey

_ALL = 1 << 31


async def untold_keys(services: Services, tx: Transaction) -> list[SigningKey]:
    """The token keys that the vendor's log does not tell of."""
    told = await _told_kids(tx, "key.added")
    return [key for key in services.ring.token_keys() if key.kid not in told]


def token_key_event(key: SigningKey, operator: Actor) -> Event:
    """`key.added` of a token key; `public` is its JWK."""
    public = canonical.encode(dict(key.public())).decode()
    return Event("key.added", VENDOR, operator, {"kid": key.kid, "log": None, "public": public, "use": "token"})


def trail_key_event(services: Services, log: str, origin: str, operator: Actor) -> Event:
    """`key.added` of a log's key; `public` is the verifier key that auditors note."""
    return _trail_key_event(log, signers(services, log, origin)[0].verifier, operator)


def _trail_key_event(log: str, key: VerifierKey, operator: Actor) -> Event:
    data = {"kid": key.key_id.hex(), "log": log, "public": key.vkey, "use": "trail"}
    return Event("key.added", VENDOR, operator, data)


def make_trail_key(services: Services, log: str) -> None:
    """Make the key of a log that has none. Raises `KeysError` where keys are given as values and it is not there."""
    try:
        services.ring.trail(log)
    except KeysError:
        if services.ring.directory is None:
            raise
        create_trail(services.ring.directory, log)


async def rotate_token_keys(services: Services, operator: Actor) -> Rotation:
    """The next token key signs from now on; who retired and who was added stands in the vendor's log, if there is one.

    Raises `Refused` where the keys were given as values.
    """
    directory = _directory(services)
    async with services.database.read() as tx:
        now, begun = await tx.now(), await institutions.read(tx, VENDOR) is not None
    done = rotate(directory, now)
    if begun:
        async with write(services, VENDOR) as book:
            await _tell(book, services, done, operator)
            await book.append()
    return done


async def rotate_client_keys(services: Services) -> Rotation:
    """The next client key signs us in at providers from now on. No log tells of it: nothing in a log rests on it.

    Raises `Refused` where the keys were given as values.
    """
    directory = _directory(services)
    async with services.database.read() as tx:
        now = await tx.now()
    return rotate(directory, now, CLIENT)


async def begin_trail_rotation(services: Services, log: str, operator: Actor) -> tuple[str, str]:
    """From now on the key of a log and a new one both sign; the verifier keys of both.

    The new one stands in the vendor's log before it signs anything. Raises `Refused` not-found, or where the keys were
    given as values; `KeysError` while it is being rotated already.
    """
    directory = _directory(services)
    async with write(services, VENDOR) as book:
        row = await institutions.read(book.tx, log)
        if row is None:
            raise Refused(NOT_FOUND)
        new = VerifierKey(row.origin, new_trail(directory, log).public)
        if new.key_id.hex() not in await _told_kids(book.tx, "key.added"):
            book.add(_trail_key_event(log, new, operator))
            await book.append()
    overlap_trail(directory, log)
    return signers(services, log, row.origin)[0].verifier.vkey, new.vkey


async def finish_trail_rotation(services: Services, log: str, operator: Actor) -> tuple[str, str]:
    """From now on the new key of a log signs alone; the verifier keys of both. Raises as `begin_trail_rotation`."""
    directory = _directory(services)
    async with write(services, VENDOR) as book:
        row = await institutions.read(book.tx, log)
        if row is None:
            raise Refused(NOT_FOUND)
        both = [each.verifier for each in signers(services, log, row.origin)]
        if len(both) < 2:
            raise KeysError(f"the key of {log} is not being rotated")
        kid = both[0].key_id.hex()
        if kid not in await _told_kids(book.tx, "key.retired"):
            book.add(Event("key.retired", VENDOR, operator, {"kid": kid}))
            await book.append()
    finish_trail(directory, log)
    return both[0].vkey, both[1].vkey


async def _told_kids(tx: Transaction, type_: str) -> set[str]:
    return {each.entry.data["kid"] for each in await entries.find(tx, VENDOR, LeafFilter(type=type_), _ALL)}


async def key_differences(services: Services, tx: Transaction) -> AsyncIterator[str]:
    """Keys that sign a log and are not told of, or were retired."""
    told, retired = await _told_kids(tx, "key.added"), await _told_kids(tx, "key.retired")
    for row in await institutions.read_all(tx):
        try:
            kids = [each.verifier.key_id.hex() for each in signers(services, row.code, row.origin)]
        except Unavailable as doubt:
            yield f"{row.code} cannot be signed: {doubt.detail}"
            continue
        for kid in kids:
            if kid not in told or kid in retired:
                yield f"the key {kid} signs {row.code}, and the log {'retired it' if kid in told else 'knows it not'}"


def _directory(services: Services) -> Path:
    if services.ring.directory is None:
        detail = "The keys are given as values; rotate them where those are kept."
        raise Refused(Refusal("validation", detail))
    return services.ring.directory


async def _tell(book: Ledger, services: Services, done: Rotation, operator: Actor) -> None:
    book.add(*(token_key_event(key, operator) for key in await untold_keys(services, book.tx)))
    book.add(Event("key.retired", VENDOR, operator, {"kid": done.retired}))
