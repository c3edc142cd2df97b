"""What approval tokens are minted from, read for any number of requests at once, and the tokens with their entries
recorded in one statement, on PostgreSQL; it commits by itself.

Nothing is locked while it is judged. What is recorded is recorded only where the log's head is still the one that was
read: whoever changes what the trail tells, or the rows that follow from it, holds the head and appends. Where it has
moved, or somebody holds it, nothing is written, and the token is asked for in the way that waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.storage import tables
from app.storage.columns import Instant, select_rows, split_hashes, values_of
from app.storage.database import Transaction
from app.storage.entries import is_ground
from app.storage.grants import GrantRow, TokenRow
from app.storage.leaves import Head, Stored, columns_of, head_of, leaf_rows, unnested
from app.storage.requests import RequestRow
from app.trail.hashing import Edge, leaf_hash
from app.trail.tiles import WIDTH

_LOGS = tables.logs
_LEAVES = tables.leaves
_PARTS = tables.private_parts
_REQUESTS = tables.requests
_GRANTS = tables.grants
_INSTITUTIONS = tables.institutions
_EVIDENCE = tables.evidence
_TOKENS = tables.tokens

_HEAD = 6
"""How many columns are the head's and the clock's; all others are what a token is minted from."""
_REQUEST, _GRANT = len(fields(RequestRow)), len(fields(GrantRow))


class Rows(NamedTuple):
    """The institution's state, a request, its grant, and index, leaf and private part of the entries that it rests on
    (`entries.grounds_of`, but for those of a standing approval).
    """

    state: Mapping[str, Any]
    request: RequestRow
    grant: GrantRow
    entries: list[tuple[int, bytes, bytes | None]]


@dataclass(frozen=True, slots=True)
class Ground:
    """What the tokens of one request are minted from, with the head of its log, which is not locked. `print` is the
    same where every byte of it is, but for the head and the evidence.
    """

    head: Head
    print: bytes
    _raw: Sequence[Any]
    _convert: Callable[[Sequence[Any]], Sequence[Any]]

    def read(self) -> Rows:
        """What it says."""
        state, *columns = self._convert(self._raw)[_HEAD:]
        request, grant = columns[:_REQUEST], columns[_REQUEST : _REQUEST + _GRANT]
        return Rows(state, RequestRow(*request), GrantRow(*grant), list(zip(*columns[-3:], strict=True)))


class Batch(NamedTuple):
    """Entries composed for a head, and the tokens that they tell of."""

    head: Head
    stored: Sequence[Stored]
    tokens: Sequence[TokenRow]


async def read(tx: Transaction, requests: Sequence[str]) -> dict[str, Ground]:
    """The ground of each of these requests that has a grant, by its id."""
    values = {"ids": list(requests), "now": None if tx.clock is None else tx.clock()}
    rows, convert = await tx.fetch_raw(_READ, values)
    found = {}
    for row in rows:
        log, origin, size, edge, last_at, now = row[:_HEAD]
        head = head_of(log, origin, Edge(size, split_hashes(edge)), last_at, now)
        found[row[_HEAD + 2]] = Ground(head, _print(row[_HEAD:]), row, convert)
    return found


def _print(values: Iterable[Any]) -> bytes:
    whole = sha256()
    for value in values:
        pieces = value if isinstance(value, list) else (value,)
        whole.update(b"%d;" % len(pieces))
        for piece in pieces:
            data, kind = (piece, b"b") if isinstance(piece, bytes) else (repr(piece).encode(), b"r")
            whole.update(b"%b%d;" % (kind, len(data)))
            whole.update(data)
    return whole.digest()


async def evidence(tx: Transaction, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """The blobs of these logs' digests, those that there are."""
    if not wanted:
        return {}
    values = {"logs": [log for log, _ in wanted], "digests": [digest for _, digest in wanted]}
    return {(log, digest): blob for log, digest, blob in await tx.fetch(_BLOBS, values)}


def fits(head: Head, count: int) -> bool:
    """Whether an append of so many entries leaves every tile open: then it is no more than leaves and the new head."""
    return head.size // WIDTH == (head.size + count) // WIDTH


async def record(tx: Transaction, batches: Sequence[Batch]) -> set[str]:
    """Append each batch (one a log, which it `fits`) where the log's head has not moved; the logs of those."""
    leaves: list[tuple[Any, ...]] = []
    heads: list[tuple[Any, ...]] = []
    for head, stored, _ in batches:
        hashes = [leaf_hash(each.leaf) for each in stored]
        edge = head.edge.append(hashes)
        heads.append((head.log, head.size, edge.size, b"".join(edge.hashes), head.at))
        leaves += leaf_rows(head.log, stored, hashes)
    tokens = [tuple(values_of(row).values()) for batch in batches for row in batch.tokens]
    values = columns_of("heads", heads) | columns_of("leaves", leaves) | columns_of("tokens", tokens)
    return {row[0] for row in await tx.fetch(_RECORD, values)}


def _read_statement() -> sa.Select[Any]:
    beside = sa.and_(_PARTS.c.log == _LEAVES.c.log, _PARTS.c.idx == _LEAVES.c.idx)
    gathered = [
        sa.func.array_agg(aggregate_order_by(column, _LEAVES.c.idx), type_=sa.ARRAY(column.type)).label(name)
        for name, column in (("indexes", _LEAVES.c.idx), ("leaves", _LEAVES.c.leaf), ("parts", _PARTS.c.part))
    ]
    rests = sa.select(*gathered).outerjoin_from(_LEAVES, _PARTS, beside)
    entries = rests.where(is_ground(_REQUESTS.c.log, _REQUESTS.c.id)).correlate(_REQUESTS).lateral("entries")
    clock: Any = sa.func.coalesce(sa.bindparam("now", type_=Instant()), sa.func.clock_timestamp(type_=Instant()))
    query = sa.select(
        *(_LOGS.c[name] for name in ("log", "origin", "size", "edge", "last_at")), clock, _INSTITUTIONS.c.state,
        *select_rows(_REQUESTS, RequestRow).selected_columns, *select_rows(_GRANTS, GrantRow).selected_columns,
        *entries.c,
    )  # fmt: skip
    given = sa.and_(_GRANTS.c.log == _REQUESTS.c.log, _GRANTS.c.request == _REQUESTS.c.id)
    joined = query.join_from(_REQUESTS, _LOGS, _LOGS.c.log == _REQUESTS.c.log).join(_GRANTS, given)
    joined = joined.join(_INSTITUTIONS, _INSTITUTIONS.c.code == _REQUESTS.c.log).join(entries, sa.true())
    return joined.where(_REQUESTS.c.id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Text))))


def _blob_statement() -> sa.Select[Any]:
    names = [sa.column("log", sa.Text), sa.column("digest", sa.Text)]
    arrays = [sa.bindparam(name, type_=sa.ARRAY(sa.Text)) for name in ("logs", "digests")]
    wanted = sa.func.unnest(*arrays).table_valued(*names, name="wanted").render_derived()
    same = sa.and_(_EVIDENCE.c.log == wanted.c.log, _EVIDENCE.c.digest == wanted.c.digest)
    return sa.select(_EVIDENCE.c.log, _EVIDENCE.c.digest, _EVIDENCE.c.blob).join_from(wanted, _EVIDENCE, same)


def _record_statement() -> sa.Executable:
    number, raw = sa.BigInteger(), sa.LargeBinary()
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "log": sa.Text(),
        "old": number,
        "size": number,
        "edge": raw,
        "last_at": Instant(),
    }
    arrays = [sa.bindparam(f"heads_{at}", type_=sa.ARRAY(type_)) for at, type_ in enumerate(types.values())]
    columns = [sa.column(name, type_) for name, type_ in types.items()]
    given = sa.func.unnest(*arrays).table_valued(*columns, name="given").render_derived()
    # Nobody waits for a head that another holds: it will have moved.
    query = sa.select(*given.c, _LOGS.c.size.label("found")).join_from(given, _LOGS, _LOGS.c.log == given.c.log)
    held = query.order_by(_LOGS.c.log).with_for_update(of=_LOGS, skip_locked=True)
    locked = held.cte("locked").prefix_with("MATERIALIZED")
    grown = (
        sa.update(_LOGS)
        .where(_LOGS.c.log == locked.c.log, locked.c.found == locked.c.old)
        .values(
            size=locked.c.size, edge=locked.c.edge, last_at=locked.c.last_at,
            grown_at=sa.func.coalesce(_LOGS.c.grown_at, locked.c.last_at),
        )
        .returning(_LOGS.c.log)
        .cte("grown")
    )  # fmt: skip
    added = []
    for table, prefix in ((_LEAVES, "leaves"), (_TOKENS, "tokens")):
        lines = unnested(table, prefix)
        told = sa.select(lines).where(lines.c.log.in_(sa.select(grown.c.log)))
        added.append(sa.insert(table).from_select(table.c.keys(), told).cte(f"new_{prefix}"))
    return sa.select(grown.c.log).add_cte(*added)


_READ, _BLOBS, _RECORD = _read_statement(), _blob_statement(), _record_statement()
