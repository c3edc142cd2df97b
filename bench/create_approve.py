"""`create_approve`: committed pairs of request and countersigned approval a second, to a bare script of their writes.

The service runs as it would on this machine: `PROCESSES` processes, `CLIENTS` in all, each client going round
institutions of its own; the script's clients do the same.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from operator import sub
from pathlib import Path

from bench.fleet import Fleet, Load
from bench.measure import Result, alternate
from bench.provider import new_key
from bench.server import Server, run_server
from bench.world import populate

CLIENTS = 8
PROCESSES = 2
INSTITUTIONS = 64
SECONDS = 4
SCRIPT = Path(__file__).with_suffix(".sql")
_EMPTY_LOGS = """
WITH numbers AS (SELECT 'PGB_' || n AS log FROM generate_series(0, %(count)s - 1) AS n), logs AS (
    INSERT INTO logs (log, origin, size, edge) SELECT log, 'pgbench/' || log, 0, '' FROM numbers
) INSERT INTO web_sessions (token, log, person, iss, sub, details, created_at, seen_at, expires_at)
    SELECT sha256(convert_to(log || '/0', 'UTF8')), log, 'p', 'i', 's', '{}', now(), now(), now() FROM numbers
"""
_WRITTEN = "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables"


def run() -> Iterator[Result]:
    """Measure beside pgbench as it is, then with its statements prepared.

    Raises `RuntimeError` where the two did not write the same rows.
    """
    with run_server() as server, tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        directory, jwk = Path(folder), new_key()
        cli = asyncio.run(populate(server.urls.app, directory, jwk, INSTITUTIONS))
        with server.connect() as connection:
            connection.execute(_EMPTY_LOGS, {"count": INSTITUTIONS})
        load = Load(server.urls.app, directory, jwk, cli, CLIENTS, INSTITUTIONS, PROCESSES)
        with Fleet.start(load) as fleet:
            _compare(server, fleet)
            for name, protocol in (("create_approve", "simple"), ("create_approve_prepared", "prepared")):
                yield alternate(
                    name,
                    "pairs/s",
                    lambda: fleet.round(SECONDS),
                    partial(_script, server, SECONDS, protocol),
                    f"pgbench, same writes, {protocol} statements",
                )


def _compare(server: Server, fleet: Fleet) -> None:
    """Run each for a moment; raise unless they inserted, updated and deleted as many rows of each table a pair."""
    service = _written(server, lambda: fleet.round(2))
    script = _written(server, partial(_script, server, 2, "simple"))
    if service != script:
        raise RuntimeError(f"a pair writes {service} in the service, {script} in the script")


def _written(server: Server, load: Callable[[], float]) -> dict[str, tuple[int, int, int]]:
    """Rows of each table inserted, updated and deleted for each row that came into `requests`."""
    load()  # whatever came before (sign-ins, first rows of a counter) is counted by then
    before = _counts(server)
    load()
    rows = {table: tuple(map(sub, now, before[table])) for table, now in _counts(server).items()}
    pairs = rows["requests"][0]
    rates = {table: tuple(round(each / pairs) for each in changed) for table, changed in rows.items()}
    return {table: (ins, upd, del_) for table, (ins, upd, del_) in rates.items() if ins or upd or del_}


def _counts(server: Server) -> dict[str, tuple[int, ...]]:
    """What PostgreSQL has counted. Sessions tell it late, but of all tables at once, so that rates hold."""
    with server.connect() as connection:
        return {table: tuple(counts) for table, *counts in connection.execute(_WRITTEN)}


def _script(server: Server, seconds: int, protocol: str) -> float:
    variables = {"clients": CLIENTS, "institutions": INSTITUTIONS}
    return server.pgbench(SCRIPT, protocol, clients=CLIENTS, seconds=seconds, variables=variables)
