"""A PostgreSQL of its own for a benchmark: on a real directory, every commit durable, migrated as in production."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from app.storage.migrate import migrate
from tests.fixtures.postgres import PASSWORD, DatabaseUrls, find_programs, run_postgres, with_roles

DURABLE: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",  # no checkpoint in the middle of a round
}
_TPS = re.compile(r"^tps = ([0-9.]+) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Server:
    """One migrated database. `urls.app` is what the service uses, and pgbench too."""

    urls: DatabaseUrls

    def pgbench(
        self, script: Path, protocol: str, *, clients: int, seconds: int, variables: Mapping[str, int]
    ) -> float:
        """Transactions a second of a script; `protocol` is pgbench's: `simple` (its default) or `prepared`.

        Raises `RuntimeError` with pgbench's words.
        """
        programs = find_programs()
        if programs is None or not (programs / "pgbench").exists():
            raise RuntimeError("this benchmark needs pgbench (Debian: postgresql-contrib, in the package postgresql)")
        parts = urlsplit(self.urls.app)
        where = ["-h", parts.hostname or "", "-p", str(parts.port), "-U", parts.username or "", parts.path[1:]]
        load = ["-n", "-M", protocol, "-c", str(clients), "-j", "2", "-T", str(seconds), "-f", str(script)]
        given = [word for name, value in variables.items() for word in ("-D", f"{name}={value}")]
        done = subprocess.run(
            [programs / "pgbench", *load, *given, *where],
            env=os.environ | {"PGPASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            check=False,
        )
        found = _TPS.search(done.stdout)
        if done.returncode != 0 or found is None:
            raise RuntimeError(f"pgbench: {done.stderr.strip() or done.stdout.strip()}")
        return float(found[1])

    def connect(self) -> psycopg.Connection:
        """A plain connection of the schema's owner, for seeding and for what PostgreSQL counts."""
        return psycopg.connect(self.urls.owner)


@contextmanager
def run_server() -> Iterator[Server]:
    """A server with `DURABLE` settings and one migrated database."""
    with run_postgres(DURABLE) as admin_url, with_roles(admin_url) as roles, roles.database() as urls:
        asyncio.run(migrate(urls.app, urls.owner))
        yield Server(urls)
