"""Reading a trail: its entries, and proofs over it, each answer from one snapshot.

Whose trail it is not gets the same answer as for a trail that does not exist. The vendor's own log proves itself to
everybody who may read a trail, because every bundle relies on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from app.actions import checkpoints
from app.actions.clientrows import is_institutions
from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.actions.signin import Visitor
from app.domain.errors import Refusal, Refused
from app.domain.events import CATALOGUE, Actor
from app.domain.institution import Institution
from app.domain.kinds import VENDOR, is_code
from app.domain.languages import msg
from app.domain.times import stamp
from app.storage import clients, entries, institutions, nodes
from app.storage.database import Transaction
from app.storage.entries import LeafFilter
from app.tokens.clients import Caller
from app.trail import tiles
from app.trail.hashing import leaf_hash
from app.trail.log import Proof
from app.trail.proofs import ProofError
from app.trail.tiles import Tile

Reader = Caller | Visitor
SCAN = 20_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries a list shows: from `start` (in) to `stop` (out), recorded `after` and `before` (both out); null
    narrows nothing.
    """

    start: int = 0
    stop: int | None = None
    type: str | None = None
    request: str | None = None
    actor: str | None = None
    after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry as a reader gets it; `leaf` are its exact bytes, `private` its private part where they may see it."""

    index: int
    leaf: bytes
    leaf_hash: str
    private: Mapping[str, Any] | None


async def checkpoint(services: Services, who: Reader, code: str) -> bytes:
    """The signed checkpoint of a trail. Raises `Refused` not-found, forbidden; `Unavailable`."""
    admit(who, code, proving=True)
    return await checkpoints.checkpoint(services, code)


async def witnessed(services: Services, who: Reader, code: str) -> bytes:
    """The newest checkpoint that every witness has cosigned. Raises `Refused` not-found, where there is none as well;
    forbidden; `Unavailable`.
    """
    admit(who, code, proving=True)
    return await checkpoints.witnessed(services, code)


async def verifier_keys(services: Services, who: Reader, code: str) -> list[str]:
    """The verifier keys of a trail. Raises `Refused` not-found, forbidden."""
    admit(who, code, proving=True)
    return await checkpoints.verifier_keys(services, code)


async def inclusion(services: Services, who: Reader, code: str, index: int, size: int | None) -> Proof:
    """The proof that entry `index` is in the tree of `size` entries (None: of all). Raises `Refused` validation too."""
    return await _proved(services, who, code, size, lambda tx, of: nodes.inclusion_proof(tx, code, index, of))


async def consistency(services: Services, who: Reader, code: str, old: int, size: int | None) -> Proof:
    """The proof that the tree of `size` entries (None: of all) begins with that of `old`."""
    return await _proved(services, who, code, size, lambda tx, of: nodes.consistency_proof(tx, code, old, of))


async def _proved(
    services: Services,
    who: Reader,
    code: str,
    size: int | None,
    prove: Callable[[Transaction, int], Awaitable[Proof]],
) -> Proof:
    admit(who, code, proving=True)
    async with services.database.read() as tx:
        try:
            _, edge = await nodes.snapshot(tx, code)
            return await prove(tx, edge.size if size is None else size)
        except KeyError as error:
            raise Refused(NOT_FOUND) from error
        except ProofError as error:
            detail = msg("The trail has no such proof: name entries and sizes that it has, the smaller one first.")
            raise Refused(Refusal("validation", detail)) from error


async def tile(services: Services, who: Reader, code: str, wanted: Tile) -> bytes:
    """The hashes of a tile, at any width that the committed tree has or had.

    Raises `Refused` not-found, also for a width that the tree does not have yet; forbidden.
    """
    admit(who, code, proving=True)
    async with services.database.read() as tx:
        await _grown(tx, code, wanted)
        return (await nodes.read_tiles(tx, code, [wanted]))[wanted]


async def entry_bundle(services: Services, who: Reader, code: str, wanted: Tile) -> bytes:
    """The entries under a tile of level 0. Raises `Refused` as `tile`; the vendor's own are for its auditors alone."""
    admit(who, code, proving=False)
    start = wanted.index * tiles.WIDTH
    async with services.database.read() as tx:
        await _grown(tx, code, wanted)
        found = await entries.read_bytes(tx, code, start, start + wanted.width)
    return tiles.entry_bundle(leaf for leaf, _ in found)


async def _grown(tx: Transaction, code: str, wanted: Tile) -> None:
    """Raise `Refused` not-found unless the committed tree has the tile, so wide."""
    try:
        _, edge = await nodes.snapshot(tx, code)
    except KeyError as error:
        raise Refused(NOT_FOUND) from error
    if tiles.width_at(wanted.level, wanted.index, edge.size) < wanted.width:
        raise Refused(NOT_FOUND)


async def find(
    services: Services, who: Reader, code: str, wanted: Wanted, limit: int
) -> tuple[tuple[Seen, ...], int | None]:
    """The first `limit` entries wanted, by rising index, and the index at which the next page starts (None: no more).

    A page by actor looks at `SCAN` entries at most, so it may be short, or empty, and still not be the last.

    Raises `Refused`: not-found, forbidden, validation for a type that the catalogue does not have.
    """
    admit(who, code, proving=False)
    if wanted.type is not None and wanted.type not in CATALOGUE:
        raise Refused(Refusal.of_field("/type", msg("There is no such type of entries.")))
    async with services.database.read() as tx:
        row = await institutions.read(tx, code)
        if row is None:
            raise Refused(NOT_FOUND)
        start, stop = await _span(tx, code, wanted)
        end = stop if wanted.actor is None else min(stop, start + SCAN)
        chosen = LeafFilter(start, end, wanted.type, None, wanted.request, wanted.actor)
        found = await entries.find(tx, code, chosen, limit + 1)
        sees = await sees_private(tx, who, Institution.from_data(row.state))
    seen = tuple(
        Seen(
            each.entry.index,
            each.leaf,
            leaf_hash(each.leaf).hex(),
            orjson.loads(each.private) if sees and each.private is not None else None,
        )
        for each in found[:limit]
    )
    following = found[limit].entry.index if len(found) > limit else end
    return seen, following if following < stop else None


async def _span(tx: Transaction, code: str, wanted: Wanted) -> tuple[int, int]:
    """The range of indexes that the wanted range and times leave."""
    _, edge = await nodes.snapshot(tx, code)
    start, stop = wanted.start, edge.size if wanted.stop is None else min(wanted.stop, edge.size)
    if wanted.after is not None:
        after = stamp(wanted.after)
        start = max(start, await entries.first_where(tx, code, edge.size, lambda at: at > after))
    if wanted.before is not None:
        before = stamp(wanted.before)
        stop = min(stop, await entries.first_where(tx, code, edge.size, lambda at: at >= before))
    return start, stop


def page_from(wanted: Wanted, cursor: str | None) -> Wanted:
    """What a cursor goes on with. Raises `Refused` for a foreign one."""
    if cursor is None:
        return wanted
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 16):
        raise Refused(Refusal.of_field("/cursor", "Give the next_cursor of the page before, as it is."))
    return replace(wanted, start=max(wanted.start, int(cursor)))


def admit(who: Reader, code: str, *, proving: bool) -> None:
    """Raise `Refused` unless they may read this trail. `proving`: checkpoints, keys and proofs alone."""
    if not is_code(code):
        raise Refused(NOT_FOUND)
    everybodys = proving and code == VENDOR
    if isinstance(who, Caller):
        if not (who.serves(code) or everybodys):
            raise Refused(NOT_FOUND)
        return
    if who.code == VENDOR and "vendor_auditor" in who.roles:
        return
    if who.code != code and not everybodys:
        raise Refused(NOT_FOUND)
    if "auditor" not in who.roles:
        raise Refused(Refusal("forbidden", msg("Only an auditor of the institution reads its trail.")))


async def sees_private(tx: Transaction, who: Reader | Actor, institution: Institution) -> bool:
    """An institution's own people and clients see its private parts; others where its policy lets them."""
    if institution.policy.vendor_sees_evidence:
        return True
    if isinstance(who, Caller):
        row = await clients.read(tx, who.cli)
        return row is not None and is_institutions(row, institution.code)
    return isinstance(who, Visitor) and who.code == institution.code
