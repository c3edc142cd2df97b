"""`append_growth`: one committed append to a log of 10⁶ leaves, to one of 10³."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import psycopg

from app.domain.events import SERVICE, Event
from app.storage import leaves as storage
from app.storage.database import Database
from app.trail import log as trail
from app.trail.hashing import Edge, leaf_hash
from bench.measure import Result, alternate
from bench.server import run_server

LARGE, SMALL = 1_000_000, 1_000
APPENDS = 256  # so that each round makes exactly one tile full
_LEAF = (
    '{"actor":{"id":"service","kind":"system"},"at":"2026-11-02T08:00:00.000000Z","data":{"about":"%s","kind":"request",'
    '"message_id":"sha256:%s","to":["per_01m86f46r5fssstk1bsv6n7s1x"]},"id":"evt_%026d","index":%d,"institution":"%s",'
    '"subject":"%s","type":"mail.queued","v":1}'
)
_DATA: dict[str, Any] = {"about": None, "kind": "request", "message_id": f"sha256:{0:064}", "to": []}


def run() -> Result:
    """Measure."""
    with run_server() as server:
        with server.connect() as connection:
            for log, size in (("LARGE", LARGE), ("SMALL", SMALL)):
                seed(connection, log, size)
        with asyncio.Runner() as runner:
            database = Database(server.urls.app, pool_size=1)
            try:
                return alternate(
                    "append_growth",
                    "s",
                    lambda: runner.run(_append(database, "LARGE")),
                    lambda: runner.run(_append(database, "SMALL")),
                    f"the same at {SMALL} leaves",
                )
            finally:
                runner.run(database.close())


async def _append(database: Database, log: str) -> float:
    """Seconds for each of `APPENDS` transactions of one event."""
    event = Event("mail.queued", log, SERVICE, _DATA)
    began = time.perf_counter()
    for _ in range(APPENDS):
        async with database.begin() as tx:
            await storage.append(tx, await storage.lock(tx, log), [event])
    return (time.perf_counter() - began) / APPENDS


def seed(connection: psycopg.Connection, log: str, size: int) -> None:
    """Fill a log with leaves of one kind by COPY: rows, tiles and head as so many appends would have left them."""
    hashes: list[bytes] = []
    with connection.cursor() as cursor:
        with cursor.copy("COPY leaves (log, idx, leaf, leaf_hash, type, subject, request) FROM STDIN") as copy:
            for index, leaf in enumerate(leaves(log, 0, size)):
                hashes.append(leaf_hash(leaf))
                copy.write_row((log, index, leaf, hashes[-1], "mail.queued", log, request_of(index)))
        planned = trail.plan(Edge(), hashes, {})
        with cursor.copy("COPY tiles (log, level, idx, hashes, root) FROM STDIN") as copy:
            for row in planned.rows:
                copy.write_row((log, row.level, row.index, row.hashes, row.root))
        head = (log, f"bench/{log}", size, b"".join(planned.edge.hashes))
        cursor.execute("INSERT INTO logs (log, origin, size, edge, last_at) VALUES (%s, %s, %s, %s, now())", head)
    connection.commit()
    connection.execute("ANALYZE leaves, tiles, logs")


def request_of(index: int) -> str:
    """The request that an entry of the benchmark is about."""
    return f"req_{index // 20:026d}"


def leaves(log: str, start: int, stop: int) -> Iterator[bytes]:
    """Leaves of one kind, from `start` (in) to `stop` (out)."""
    for index in range(start, stop):
        message = sha256(index.to_bytes(8, "big")).hexdigest()
        yield (_LEAF % (request_of(index), message, index, index, log, log)).encode()
