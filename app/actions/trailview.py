"""What the institution's auditors see of their trail: its state, its entries newest first, one entry with its proof.

Each page is of one checkpoint: proofs are over it, and the entry that a page leaves (`evidence.read`) is under it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.actions import checkpoints
from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.trail import admit
from app.actions.views import private_fields
from app.domain.errors import Refusal, Refused
from app.domain.events import Entry
from app.domain.kinds import VENDOR
from app.domain.languages import msg
from app.domain.times import stamp
from app.storage import clients, entries, nodes, objects, requests, roster, witnesses
from app.storage.database import Transaction
from app.storage.entries import LeafFilter
from app.storage.leaves import Stored, request_of
from app.storage.witnesses import WitnessRow, WitnessSize
from app.trail.checkpoint import Checkpoint
from app.trail.hashing import leaf_hash

SHOWN = 50
_NAMES = {"service": "Countersign", "worker": "Countersign"}


@dataclass(frozen=True, slots=True)
class Sought:
    """Which entries a page shows: of these types (none: of all), of a request, recorded in a span, below an index."""

    types: tuple[str, ...] = ()
    request: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    below: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """An entry in a list. `by`: who did it; `request`: id and number of the request it is about."""

    entry: Entry
    by: str
    request: tuple[str, str] | None
    leaf_hash: str
    fields: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class WitnessLine:
    """A witness that is asked: how far it has followed this log (null: not at all), when, and what went wrong last."""

    name: str
    size: int | None
    at: datetime | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class State:
    """The log as its checkpoint tells it: `note` is the signed text. `witnessed`: the newest size that every witness
    has cosigned; null where there is none. `continues`: origin and signed size of the log that this one succeeded.
    """

    size: int
    since: datetime
    note: str
    witnesses: tuple[WitnessLine, ...]
    witnessed: int | None
    continues: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the trail. `start`, `stop`: the range of indexes that its times leave; `older`: where it goes on."""

    state: State
    lines: tuple[Line, ...]
    start: int
    stop: int
    older: int | None


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One entry. `private`: `there`, `erased` or `none`; `evidence`: each digest, and whether it is still there;
    `hashes`: the inclusion proof over the checkpoint.
    """

    state: State
    line: Line
    leaf: str
    private: str
    evidence: tuple[tuple[str, bool], ...]
    hashes: tuple[bytes, ...]
    before: Line | None
    after: Line | None


async def listing(services: Services, visitor: Visitor, sought: Sought) -> Listing:
    """The newest entries sought. Raises `Refused`: not-found, forbidden, validation for a request that is not there."""
    admit(visitor, visitor.code, proving=False)
    async with services.database.read() as tx:
        request = await _request(tx, visitor.code, sought.request)
    note = await checkpoints.checkpoint(services, visitor.code)
    async with services.database.read() as tx:
        state = await state_of(tx, visitor.code, note)
        start, stop = await _span(tx, visitor.code, state.size, sought)
        end = stop if sought.below is None else min(stop, sought.below)
        wanted = LeafFilter(start, end, request=request, types=sought.types)
        found = await entries.find(tx, visitor.code, wanted, SHOWN + 1, newest=True)
        lines = await _lines(tx, visitor.code, found[:SHOWN])
    older = found[SHOWN - 1].entry.index if len(found) > SHOWN else None
    return Listing(state, lines, start, stop, older)


async def entry_page(services: Services, visitor: Visitor, index: int) -> EntryPage:
    """One entry of the visitor's trail. Raises `Refused`: not-found, forbidden."""
    admit(visitor, visitor.code, proving=False)
    note = await checkpoints.checkpoint(services, visitor.code)
    async with services.database.read() as tx:
        state = await state_of(tx, visitor.code, note)
        if not 0 <= index < state.size:
            raise Refused(NOT_FOUND)
        found = await entries.read_leaves(tx, visitor.code, max(0, index - 1), min(index + 2, state.size))
        stored = next(each for each in found if each.entry.index == index)
        lines = {line.entry.index: line for line in await _lines(tx, visitor.code, found)}
        proof = await nodes.inclusion_proof(tx, visitor.code, index, state.size)
        evidence = await _evidence(tx, visitor.code, stored.entry)
    private = "none" if stored.entry.private is None else "erased" if stored.private is None else "there"
    around = lines.get(index - 1), lines.get(index + 1)
    return EntryPage(state, lines[index], stored.leaf.decode(), private, evidence, proof.hashes, *around)


async def of_request(tx: Transaction, code: str, request_id: str) -> tuple[Line, ...]:
    """What was recorded about a request, in order."""
    return await _lines(tx, code, await entries.entries_of(tx, code, request_id))


async def state_of(tx: Transaction, code: str, note: bytes) -> State:
    """The log as a checkpoint tells it."""
    text = note.decode()
    size = Checkpoint.parse(text.partition("\n\n")[0] + "\n").size
    (first,) = await entries.read_leaves(tx, code, 0, 1)
    asked, followed = await witnesses.every(tx), await witnesses.sizes(tx, code)
    lines = tuple(_witness(row, followed.get(row.vkey)) for row in asked)
    witnessed = await witnesses.newest_by_all(tx, code, [row.vkey for row in asked]) if asked else None
    before = first.entry.data["continues"]
    continues = None if before is None else (before["origin"], before["size"])
    return State(size, first.entry.at, text, lines, witnessed, continues)


def _witness(row: WitnessRow, followed: WitnessSize | None) -> WitnessLine:
    name = row.vkey.partition("+")[0]
    if followed is None:
        return WitnessLine(name, None, None, row.problem)
    return WitnessLine(name, followed.size, followed.at, row.problem or followed.problem)


async def _request(tx: Transaction, code: str, given: str | None) -> str | None:
    """The id of a request named by its id or its number."""
    if given is None:
        return None
    row = await requests.of_number(tx, code, given) or await requests.read(tx, given, code)
    if row is None:
        raise Refused(
            Refusal.of_field("/request", msg("There is no such request. Give its number, such as 2026-0042."))
        )
    return row.id


async def _span(tx: Transaction, code: str, size: int, sought: Sought) -> tuple[int, int]:
    start, stop = 0, size
    if sought.after is not None:
        after = stamp(sought.after)
        start = await entries.first_where(tx, code, size, lambda at: at >= after)
    if sought.before is not None:
        before = stamp(sought.before)
        stop = await entries.first_where(tx, code, size, lambda at: at >= before)
    return start, stop


async def _lines(tx: Transaction, code: str, found: Sequence[Stored]) -> tuple[Line, ...]:
    """Entries with the names of people, clients and requests."""
    _, people = await roster.people_beside(tx, code, VENDOR)
    names = {**_NAMES, **{row.person: row.name for row in people}}
    names |= {client.id: client.name for client in await clients.read_all(tx)}
    about = {each.entry.index: request for each in found if (request := request_of(each.entry)) is not None}
    numbers = {row.id: row.number for row in await requests.read_many(tx, sorted(set(about.values())))}
    return tuple(
        Line(
            each.entry,
            names.get(
                each.entry.actor.id, "The operator" if each.entry.actor.kind == "operator" else each.entry.actor.id
            ),
            (about[each.entry.index], numbers[about[each.entry.index]])
            if about.get(each.entry.index) in numbers
            else None,
            leaf_hash(each.leaf).hex(),
            private_fields(each),
        )
        for each in found
    )


async def _evidence(tx: Transaction, code: str, entry: Entry) -> tuple[tuple[str, bool], ...]:
    digests = list(entry.data.get("evidence", ()))
    there = await objects.read_many(tx, code, digests)
    return tuple((digest, digest in there) for digest in digests)
