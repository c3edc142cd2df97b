"""Signing keys in the vendor's log: each is added before anything relies on it, and retired where all can see it."""

from __future__ import annotations

from pathlib import Path

from app.actions.checkpoints import signer
from app.actions.ledger import Ledger, write
from app.actions.services import Services
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.kinds import VENDOR
from app.storage import entries, institutions
from app.storage.database import Transaction
from app.storage.entries import LeafFilter
from app.tokens.keyfiles import KeysError
from app.tokens.keys import CLIENT, Rotation, SigningKey, create_trail, rotate
from app.trail import canonical

_ALL = 1 << 31


async def untold_keys(services: Services, tx: Transaction) -> list[SigningKey]:
    """The token keys that the vendor's log does not tell of."""
    told = {each.entry.data["kid"] for each in await entries.find(tx, VENDOR, LeafFilter(type="key.added"), _ALL)}
    return [key for key in services.ring.token_keys() if key.kid not in told]


def token_key_event(key: SigningKey, operator: Actor) -> Event:
    """`key.added` of a token key; `public` is its JWK."""
    public = canonical.encode(dict(key.public())).decode()
    return Event("key.added", VENDOR, operator, {"kid": key.kid, "log": None, "public": public, "use": "token"})


def trail_key_event(services: Services, log: str, origin: str, operator: Actor) -> Event:
    """`key.added` of a log's key; `public` is the verifier key that auditors note."""
    key = signer(services, log, origin).verifier
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


def _directory(services: Services) -> Path:
    if services.ring.directory is None:
        detail = "The keys are given as values; rotate them where those are kept."
        raise Refused(Refusal("validation", detail))
    return services.ring.directory


async def _tell(book: Ledger, services: Services, done: Rotation, operator: Actor) -> None:
    book.add(*(token_key_event(key, operator) for key in await untold_keys(services, book.tx)))
    book.add(Event("key.retired", VENDOR, operator, {"kid": done.retired}))
