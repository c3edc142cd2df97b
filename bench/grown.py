"""An enrolled institution whose log has as many entries as wanted, by COPY, as so many appends would have left it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from app.actions import signin
from app.actions.services import Services
from app.actions.signin import Visitor
from app.trail import log as trail
from app.trail.hashing import Edge, leaf_hash
from app.trail.tiles import WIDTH
from bench.append_growth import leaves, request_of
from bench.provider import new_key
from bench.server import Server, run_server
from bench.world import build_services, code_of, populate, sign_in

CODE = code_of(0)
_RSS = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Grown:
    """The service, its server, and an auditor of the institution, on one event loop."""

    runner: asyncio.Runner
    server: Server
    services: Services
    auditor: Visitor


@contextmanager
def grown(size: int) -> Iterator[Grown]:
    """A service over a log of `size` entries."""
    with run_server() as server, TemporaryDirectory(prefix="countersign-bench-") as folder, asyncio.Runner() as runner:
        directory, jwk = Path(folder), new_key()
        runner.run(populate(server.urls.app, directory, jwk, 1))
        services, edge = build_services(server.urls.app, directory, jwk, 2)
        try:
            cookie = runner.run(sign_in(services, edge, CODE))
            visitor = runner.run(signin.visitor(services, cookie))
            assert visitor is not None
            with server.connect() as connection:
                grow(connection, CODE, size)
            yield Grown(runner, server, services, replace(visitor, roles=frozenset({"auditor"})))
        finally:
            runner.run(services.database.close())


def grow(connection: psycopg.Connection, log: str, size: int) -> None:
    """Fill a log of fewer than 256 entries up to `size`."""
    found = connection.execute("SELECT leaf_hash FROM leaves WHERE log = %s ORDER BY idx", (log,)).fetchall()
    hashes = [bytes(row[0]) for row in found]
    assert len(hashes) < WIDTH
    with connection.cursor() as cursor:
        with cursor.copy("COPY leaves (log, idx, leaf, leaf_hash, type, subject, request) FROM STDIN") as copy:
            for index, leaf in enumerate(leaves(log, len(hashes), size), len(hashes)):
                hashes.append(leaf_hash(leaf))
                copy.write_row((log, index, leaf, hashes[-1], "mail.queued", log, request_of(index)))
        planned = trail.plan(Edge(), hashes, {})
        with cursor.copy("COPY tiles (log, level, idx, hashes, root) FROM STDIN") as copy:
            for row in planned.rows:
                copy.write_row((log, row.level, row.index, row.hashes, row.root))
        grown_to = (size, b"".join(planned.edge.hashes), log)
        cursor.execute("UPDATE logs SET size = %s, edge = %s, last_at = now() WHERE log = %s", grown_to)
    connection.commit()
    connection.execute("ANALYZE leaves, tiles, logs")
    connection.commit()


def resident_mb() -> float:
    """Resident memory of this process, in MB."""
    found = _RSS.search(Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1000
