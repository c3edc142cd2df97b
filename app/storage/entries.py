"""Reading a log's entries back: ranges, filters, streams, and the set of a bundle filtered by request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import orjson
import sqlalchemy as sa

from app.domain.errors import Unavailable
from app.domain.events import CATALOGUE, entry_from
from app.storage import tables
from app.storage.database import Transaction
from app.storage.leaves import Stored, request_of

CHUNK = 500

_LEAVES = tables.leaves
_PARTS = tables.private_parts

# What every bundle filtered by request holds beside the request's own entries (`trail-format.md`, `events.md`).
_COMMON = (
    *("institution.", "environment.", "policy.", "identity_provider.", "change.", "person."),
    *("trail.", "vendor.", "stop_code."),
)
_USE = ("token.", "session.")
_COMMON_TYPES = tuple(type_ for type_ in CATALOGUE if type_.startswith(_COMMON) or type_.endswith(".erased"))


@dataclass(frozen=True, slots=True)
class LeafFilter:
    """Which entries a page shows; a null, or no `types`, narrows nothing. `start` is in, `stop` is out.

    No index helps with `actor`: name a range as well.
    """

    start: int = 0
    stop: int | None = None
    type: str | None = None
    subject: str | None = None
    request: str | None = None
    actor: str | None = None
    types: tuple[str, ...] = ()


async def read_leaves(tx: Transaction, log: str, start: int, stop: int) -> list[Stored]:
    """The entries from `start` (in) to `stop` (out), those that there are."""
    rows = await tx.fetch(_RANGE, {"log": log, "start": start, "stop": stop})
    return [_stored(leaf, part) for leaf, part in rows]


async def read_bytes(tx: Transaction, log: str, start: int, stop: int) -> list[tuple[bytes, bytes | None]]:
    """The exact bytes of each entry of a range that was committed, with its private part, unread.

    Raises `Unavailable` trail-rolled-back where the log lacks one of them.
    """
    rows = await tx.fetch(_RANGE, {"log": log, "start": start, "stop": stop})
    if len(rows) != stop - start:
        raise Unavailable(f"The log of {log} lacks entries that it had.", "trail-rolled-back")
    return [(leaf, part) for leaf, part in rows]


async def read_rows(
    tx: Transaction, log: str, start: int, stop: int, *, private: bool
) -> Sequence[tuple[int, bytes, bytes | None]]:
    """The same with their indexes; private parts are null unless they are asked for."""
    rows = await tx.fetch(_ROWS if private else _ROWS_ALONE, {"log": log, "start": start, "stop": stop})
    if len(rows) != stop - start:
        raise Unavailable(f"The log of {log} lacks entries that it had.", "trail-rolled-back")
    return cast("Sequence[tuple[int, bytes, bytes | None]]", rows)


async def read_at(tx: Transaction, log: str, indexes: Sequence[int]) -> list[Stored]:
    """The entries of these indexes, those that there are, by rising index within every five hundred."""
    found: list[Stored] = []
    for start in range(0, len(indexes), CHUNK):
        found += await read_query(tx, select_entries(log).where(_LEAVES.c.idx.in_(indexes[start : start + CHUNK])))
    return found


async def find(tx: Transaction, log: str, wanted: LeafFilter, limit: int, *, newest: bool = False) -> list[Stored]:
    """The first `limit` entries that the filter lets through, by rising index; the last, by falling, where `newest`."""
    query = select_entries(log).where(_LEAVES.c.idx >= wanted.start)
    if wanted.stop is not None:
        query = query.where(_LEAVES.c.idx < wanted.stop)
    for name in ("type", "subject", "request"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(_LEAVES.c[name] == value)
    if wanted.types:
        query = query.where(_LEAVES.c.type.in_(wanted.types))
    if newest:
        query = query.order_by(None).order_by(_LEAVES.c.idx.desc())
    if wanted.actor is not None:
        begins = f'{{"actor":{{"id":"{wanted.actor}","'.encode()  # as every leaf begins: its keys are sorted
        query = query.where(sa.func.substr(_LEAVES.c.leaf, 1, len(begins)) == sa.literal(begins, sa.LargeBinary))
    return await read_query(tx, query.limit(limit))


async def count_types(tx: Transaction, log: str) -> dict[str, int]:
    """How many entries a log has of each type that it has."""
    query = sa.select(_LEAVES.c.type, sa.func.count().label("n")).where(_LEAVES.c.log == log).group_by(_LEAVES.c.type)
    return {row.type: row.n for row in await tx.connection.execute(query)}


async def uncounted(tx: Transaction, log: str, size: int) -> list[int]:
    """The indexes of leaves that stand outside the `size` the head tells of, at most 100: nobody appended them."""
    outside = sa.or_(_LEAVES.c.idx < 0, _LEAVES.c.idx >= size)
    query = sa.select(_LEAVES.c.idx).where(_LEAVES.c.log == log, outside).order_by(_LEAVES.c.idx).limit(100)
    return list((await tx.connection.execute(query)).scalars())


async def first_where(tx: Transaction, log: str, size: int, holds: Callable[[str], bool]) -> int:
    """The index of the first of `size` entries whose `at` (a stamp) `holds`; `size` where none does.

    `holds` has to hold for every later stamp too. As `at` never decreases, it takes log2(`size`) reads by key.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        ((leaf, _),) = await read_bytes(tx, log, middle, middle + 1)
        low, high = (low, middle) if holds(orjson.loads(leaf)["at"]) else (middle + 1, high)
    return low


async def stream(tx: Transaction, log: str, start: int, stop: int) -> AsyncIterator[list[Stored]]:
    """The same range in chunks, at constant memory; one snapshot where the transaction is one (`Database.read`)."""
    for at in range(start, stop, CHUNK):
        yield await read_leaves(tx, log, at, min(at + CHUNK, stop))


async def entries_about(tx: Transaction, log: str, request: str) -> list[Stored]:
    """What a bundle filtered by request holds, by rising index: the entries of the request and of its sessions, those
    whose `data.about` names it, the standing approval it used, and everything of institution, people, policy and the
    trail itself.
    """
    own = await entries_of(tx, log, request)
    subjects = {each.entry.subject for each in own if each.entry.type == "session.opened"}
    subjects |= {each.entry.data["standing"] for each in own if each.entry.type == "request.approved"} - {None}
    chosen = sa.or_(
        _LEAVES.c.request == request, _LEAVES.c.subject.in_(sorted(subjects)), _LEAVES.c.type.in_(_COMMON_TYPES)
    )
    return await read_query(tx, select_entries(log).where(chosen))


async def grounds_of(tx: Transaction, log: str, request: str) -> list[tuple[int, bytes, bytes | None]]:
    """Index, leaf and private part, unread, of the same entries but those of tokens and sessions, by rising index: what
    a grant rests on, which nothing that is done with it changes.
    """
    rows = [(index, leaf, part) for index, leaf, part in await tx.fetch(_GROUNDS, {"log": log, "request": request})]
    standing = sorted({str(each.entry.data["standing"]) for each in read_grounds(filter(names_standing, rows))})
    if not standing:
        return rows
    query = select_entries(log).add_columns(_LEAVES.c.idx).where(_LEAVES.c.subject.in_(standing))
    return sorted([*rows, *((index, leaf, part) for leaf, part, index in await tx.connection.execute(query))])


def names_standing(row: tuple[int, bytes, bytes | None]) -> bool:
    """Whether one of these entries names a standing approval, on whose own entries the grant rests too."""
    return _STANDING in row[1]


def read_grounds(rows: Iterable[tuple[int, bytes, bytes | None]]) -> list[Stored]:
    """The entries of `grounds_of`."""
    return [_stored(leaf, part) for _, leaf, part in rows]


async def entries_of(tx: Transaction, log: str, request: str) -> list[Stored]:
    """The entries whose subject is the request, or whose `data.request` or `data.about` names it, by rising index."""
    rows = await tx.fetch(_OF_REQUEST, {"log": log, "request": request})
    return [_stored(leaf, part) for leaf, part in rows]


async def of_person(tx: Transaction, log: str, person: str) -> list[Stored]:
    """Entry 0, and the entries that added and bound a person, by rising index."""
    rows = await tx.fetch(_OF_PERSON, {"log": log, "person": person})
    return [_stored(leaf, part) for leaf, part in rows]


async def of_requests(
    tx: Transaction, log: str, requests: Sequence[str], types: Sequence[str]
) -> dict[str, list[Stored]]:
    """The entries of these types of each of these requests of one log, by rising index: one query for a whole page."""
    if len(requests) == 1:
        rows = await tx.fetch(_of_request(tuple(types)), {"log": log, "request": requests[0]})
        return {requests[0]: [_stored(leaf, part) for leaf, part in rows]}
    chosen = select_entries(log).where(_LEAVES.c.request.in_(requests), _LEAVES.c.type.in_(types))
    found: dict[str, list[Stored]] = {request: [] for request in requests}
    for each in await read_query(tx, chosen):
        found[request_of(each.entry) or ""].append(each)
    return found


async def of_subject(tx: Transaction, log: str, subject: str, types: Sequence[str]) -> list[Stored]:
    """The entries of these types about one subject, by rising index."""
    return await read_query(tx, select_entries(log).where(_LEAVES.c.subject == subject, _LEAVES.c.type.in_(types)))


async def subjects_of(
    tx: Transaction, logs: Sequence[str], subjects: Sequence[str], types: tuple[str, ...]
) -> frozenset[str]:
    """Those of the subjects (ids, which no two logs share) of which an entry of one of the types tells: one query."""
    if tx.dialect == "postgresql":
        rows = await tx.fetch(_subjects(types), {"logs": list(logs), "subjects": list(subjects)})
    else:
        told = sa.and_(_LEAVES.c.log.in_(logs), _LEAVES.c.subject.in_(subjects), _LEAVES.c.type.in_(types))
        rows = (await tx.connection.execute(sa.select(_LEAVES.c.subject).where(told))).all()
    return frozenset(subject for (subject,) in rows)


@cache
def _subjects(types: tuple[str, ...]) -> sa.Select[Any]:
    def any_of(name: str) -> Any:
        return sa.func.any(sa.bindparam(name, type_=sa.ARRAY(sa.Text)))

    query = sa.select(_LEAVES.c.subject).where(_LEAVES.c.log == any_of("logs"), _LEAVES.c.subject == any_of("subjects"))
    return query.where(_LEAVES.c.type.in_([sa.literal(type_) for type_ in types]))


@cache
def _of_request(types: tuple[str, ...]) -> sa.Select[Any]:
    named = _LEAVES.c.type.in_([sa.literal(type_) for type_ in types])
    return select_entries(sa.bindparam("log")).where(_LEAVES.c.request == sa.bindparam("request"), named)


def select_entries(log: str | sa.BindParameter[str]) -> sa.Select[Any]:
    """Leaf and private part (null where there is none) of a log's entries, by rising index; for `read_query`."""
    beside = sa.and_(_PARTS.c.log == _LEAVES.c.log, _PARTS.c.idx == _LEAVES.c.idx)
    query = sa.select(_LEAVES.c.leaf, _PARTS.c.part).outerjoin_from(_LEAVES, _PARTS, beside)
    return query.where(_LEAVES.c.log == log).order_by(_LEAVES.c.idx)


_OF_REQUEST = select_entries(sa.bindparam("log")).where(_LEAVES.c.request == sa.bindparam("request"))
_STANDING = b'"standing":"sta_'
"""What a leaf has that names a standing approval: its bytes are canonical, and no text in it has a bare quote."""


def is_ground(log: sa.ColumnElement[str], request: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether a leaf is one that the grant of this request rests on: see `grounds_of`."""
    used = _LEAVES.c.type.in_([sa.literal(type_) for type_ in CATALOGUE if type_.startswith(_USE)])
    common = _LEAVES.c.type.in_([sa.literal(type_) for type_ in _COMMON_TYPES])
    return sa.and_(_LEAVES.c.log == log, sa.or_(sa.and_(_LEAVES.c.request == request, sa.not_(used)), common))


_GROUNDS = (
    sa.select(_LEAVES.c.idx, _LEAVES.c.leaf, _PARTS.c.part)
    .outerjoin_from(_LEAVES, _PARTS, sa.and_(_PARTS.c.log == _LEAVES.c.log, _PARTS.c.idx == _LEAVES.c.idx))
    .where(is_ground(sa.bindparam("log"), sa.bindparam("request")))
    .order_by(_LEAVES.c.idx)
)
_OF_PERSON = select_entries(sa.bindparam("log")).where(
    sa.or_(
        _LEAVES.c.idx == 0,
        sa.and_(
            _LEAVES.c.subject == sa.bindparam("person"),
            _LEAVES.c.type.in_([sa.literal("person.added"), sa.literal("person.bound")]),
        ),
    )
)
_IN_RANGE = (_LEAVES.c.idx >= sa.bindparam("start"), _LEAVES.c.idx < sa.bindparam("stop"))
_RANGE = select_entries(sa.bindparam("log")).where(*_IN_RANGE)
_ROWS = _RANGE.with_only_columns(_LEAVES.c.idx, _LEAVES.c.leaf, _PARTS.c.part)
_ROWS_ALONE = (
    sa.select(_LEAVES.c.idx, _LEAVES.c.leaf, sa.null())
    .where(_LEAVES.c.log == sa.bindparam("log"), *_IN_RANGE)
    .order_by(_LEAVES.c.idx)
)


async def read_query(tx: Transaction, query: sa.Select[Any]) -> list[Stored]:
    """The entries of a query made by `select_entries`."""
    return [_stored(leaf, part) for leaf, part in await tx.connection.execute(query)]


def _stored(leaf: bytes, part: bytes | None) -> Stored:
    return Stored(entry_from(orjson.loads(leaf)), leaf, part)
