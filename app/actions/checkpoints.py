"""Checkpoints: signed statements of committed trees, never inconsistent with one signed before.

The last signed head of each log is kept outside the database and changed by compare-and-swap before a signature is
given. A log that is shorter than that head, or whose tree does not contain it, refuses to sign: an old backup was
restored, or the log was forked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache

from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.domain.errors import Refused, Unavailable
from app.storage import institutions, nodes, trees, witnesses
from app.storage.database import Transaction
from app.storage.heads import HeadStoreError, SignedHead
from app.tokens.keyfiles import KeysError
from app.trail import note
from app.trail.checkpoint import Checkpoint, sign_checkpoint
from app.trail.note import Signer
from app.trail.proofs import ProofError, verify_consistency
from app.trail.witness import attach

_TRIES = 8


async def checkpoint(services: Services, code: str) -> bytes:
    """The signed note of the log's committed tree, fresh, with the cosignatures there are of exactly that tree.

    Raises what `sign` raises.
    """
    return await sign(services, code, None, cosigned=True)


async def witnessed(services: Services, code: str) -> bytes:
    """The newest checkpoint that every witness has cosigned. Raises `Refused` not-found, also where there is none."""
    async with services.database.read() as tx:
        asked = [row.vkey for row in await witnesses.every(tx)]
        size = await witnesses.newest_by_all(tx, code, asked)
    if size is None:
        raise Refused(NOT_FOUND)
    return await sign(services, code, size, cosigned=True)


def opened(signed: bytes) -> Checkpoint:
    """What a checkpoint says that this service has signed itself."""
    return Checkpoint.parse(note.parse(signed).text)


async def sign(services: Services, code: str, size: int | None, *, cosigned: bool = False) -> bytes:
    """A signed note of the tree at `size` (None: all that is committed), with the `cosigned` lines that are kept of it.

    Raises `Refused` not-found; `Unavailable`: trail-rolled-back, or the store or the keys are in doubt.
    """
    for _ in range(_TRIES):
        # Each statement sees what is committed by then: the last signed head is read between them, so that the tree
        # that is judged is never older than it, however many sign at once.
        async with services.database.glance() as tx:
            head, kept = await _head(tx, code, size)
            last = await _last(services, head.origin)
            await _judge(tx, code, head, last)
        held = last is not None and last.size >= head.size
        if held or await asyncio.to_thread(services.heads.swap, last, head):
            signed = _signed(services, code, head)
            return attach(signed, kept) if cosigned and kept else signed
    raise Unavailable("The last signed head changes too often to be followed; try again.")


async def judge_last(services: Services, tx: Transaction, code: str) -> None:
    """Raise `Unavailable` trail-rolled-back unless the log goes on from what was last signed of it."""
    head, _ = await _head(tx, code, None)
    await _judge(tx, code, head, await _last(services, head.origin))


async def _head(tx: Transaction, code: str, size: int | None) -> tuple[SignedHead, Sequence[tuple[str, str]]]:
    """The tree to sign, and the cosignatures that are kept of it: verifier key and line of each."""
    tree = await trees.read(tx, code)
    if tree is None:
        raise Refused(NOT_FOUND)
    if size is None or size == tree.edge.size:
        return SignedHead(tree.origin, tree.edge.size, tree.edge.root()), tree.cosigned
    if size > tree.edge.size:
        raise Unavailable(f"The log of {code} has no {size} entries.", "trail-rolled-back")
    edge = await nodes.edge_at(tx, code, size)
    kept = await witnesses.cosignatures(tx, code, size)
    return SignedHead(tree.origin, size, edge.root()), [(each.vkey, each.line) for each in kept]


async def _last(services: Services, origin: str) -> SignedHead | None:
    try:
        return await asyncio.to_thread(services.heads.read, origin)
    except HeadStoreError as error:
        raise Unavailable(str(error)) from error


async def _judge(tx: Transaction, code: str, head: SignedHead, last: SignedHead | None) -> None:
    """Raise `Unavailable` trail-rolled-back unless one of the two trees begins with the other, and none succeeds it."""
    if last is None:
        return
    if last.successor is not None:
        detail = f"Another log continues that of {code}, {last.successor}; this one signs nothing more."
        raise Unavailable(detail, "trail-rolled-back")
    old, new = sorted((last, head), key=lambda each: each.size)
    hashes: Sequence[bytes] = ()  # from a tree to one of its size, where the roots alone tell
    try:
        if old.size != new.size:
            hashes = (await nodes.consistency_proof(tx, code, old.size, new.size)).hashes
        if old.size:
            verify_consistency(old.size, new.size, old.root, new.root, hashes)
    except ProofError as error:
        detail = f"The log of {code} is not the one that checkpoints were signed of before; it signs nothing."
        raise Unavailable(detail, "trail-rolled-back") from error


def signers(services: Services, code: str, origin: str) -> list[Signer]:
    """Who signs for a log: its key, or the old and the new one while it is being rotated.

    Raises `Unavailable` where its key is missing.
    """
    try:
        return [_signer(origin, key.private) for key in services.ring.trails(code)]
    except KeysError as error:
        raise Unavailable(str(error)) from error


@lru_cache(256)
def _signer(origin: str, seed: bytes) -> Signer:
    """The signer of a seed, which the ring holds too."""
    return Signer.from_seed(origin, seed)


def _signed(services: Services, code: str, head: SignedHead) -> bytes:
    value = Checkpoint(head.origin, head.size, head.root)
    return sign_checkpoint(value, *signers(services, code, head.origin))


async def verifier_keys(services: Services, code: str) -> list[str]:
    """The verifier keys of a log, as auditors note them. Raises `Refused` not-found."""
    async with services.database.read() as tx:
        row = await institutions.read(tx, code)
    if row is None:
        raise Refused(NOT_FOUND)
    return [each.verifier.vkey for each in signers(services, code, row.origin)]
