"""A primary and its synchronous standby, real ones, on this machine: killed, promoted, built anew.

Nothing here waits in the loop of a test: call it by `asyncio.to_thread`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo.parts import Part, find_free_port, start_part
from tests.fixtures.postgres import (
    PASSWORD,
    DatabaseUrls,
    PostgresServer,
    as_server_user,
    find_programs,
    initialise,
    reachable,
    server_user,
)

SOON_S = 60.0
without_pair = pytest.mark.skipif(
    (programs := find_programs()) is None or not (programs / "pg_basebackup").exists(),
    reason="no pair of servers: it needs initdb and pg_basebackup of the package postgresql",
)
_starter = ThreadPoolExecutor(1)
"""Starts all servers, for each ends with the thread that started it."""
_READY = "ready to accept (read-only )?connections"
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "timezone": "UTC",
    "lc_messages": "C",
    "wal_keep_size": "512MB",
    "hot_standby": "on",
    "recovery_init_sync_method": "syncfs",
}


@dataclass
class Member:
    """One server: its folder and port, for good; its process, while it runs."""

    programs: Path
    home: Path
    data: Path
    port: int
    part: Part | None = None

    @property
    def admin_url(self) -> str:
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it takes connections, read-only ones on a standby."""
        command: list[str | Path] = [*as_server_user("QUIT"), self.programs / "postgres", "-D", self.data]
        command += [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
        command += ["-c", f"port={self.port}"]
        self.part = _starter.submit(partial(start_part, command, _READY, cwd=self.home)).result()
        self.part.wait()

    def processes(self) -> list[int]:
        """The server's process, and those that it has forked."""
        assert self.part is not None
        parent = self.part.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [parent, *map(int, children)]

    def titles(self, role: str) -> list[str]:
        """What the connections of a role are at, as the server writes it into the titles of its processes."""
        found = []
        for pid in self.processes()[1:]:
            with suppress(OSError):
                found.append(Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].decode())
        marked = f" {role} "
        return [title.rpartition(") ")[2] for title in found if marked in title]

    def kill(self, role: str = "") -> bool:
        """`kill -9` of all its processes at once; whether a connection of the role stood inside a transaction."""
        pids = self.processes()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        inside = any(title != "idle" for title in self.titles(role)) if role else False
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._ended()
        return inside

    def stop(self) -> None:
        """End it at once, as an administrator does in an emergency, if it still runs."""
        if self.part is not None:
            self.part.stop(signal.SIGQUIT)
            self.part = None

    def _ended(self) -> None:
        assert self.part is not None
        self.part.stop()
        self.part = None
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of the server's programs as its user. Fails where its exit code is not 0."""
        env = {**os.environ, "PGPASSWORD": PASSWORD}
        done = subprocess.run(
            [*as_server_user("KILL"), self.programs / program, *arguments],
            cwd=self.home,
            env=env,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()

    def ask(self, query: str) -> Any:
        """The one value of a query of the administrator's."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]

    def do(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the administrator."""
        with psycopg.connect(f"{self.admin_url} ".replace("/postgres ", f"/{database}"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@dataclass
class Pair:
    """`primary` and, where there is one, `standby`; they change their places with each failover."""

    members: tuple[Member, Member]
    roles: PostgresServer
    name: str = field(default_factory=lambda: f"countersign_{secrets.token_hex(4)}")
    first: int = 0

    @property
    def primary(self) -> Member:
        return self.members[self.first]

    @property
    def standby(self) -> Member:
        return self.members[1 - self.first]

    @property
    def urls(self) -> DatabaseUrls:
        """Of the owner and of the application, with both servers in them."""
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        tail = f"@{hosts}/{self.name}?target_session_attrs=read-write"
        return DatabaseUrls(*(f"postgresql://{role}:{PASSWORD}{tail}" for role in (self.roles.owner, self.roles.app)))

    def follow(self) -> None:
        """Make the second server anew from the first, let it follow, and let every commit wait for it."""
        shutil.rmtree(self.standby.data, ignore_errors=True)
        source = ("-h", "127.0.0.1", "-p", str(self.primary.port), "-U", "postgres")
        self.primary.run("pg_basebackup", *source, "-D", self.standby.data, "-R", "-X", "stream", "-c", "fast")
        self.standby.start()
        self.require()

    def require(self) -> None:
        """Let every commit wait for the standby, as soon as it follows."""
        self._until("SELECT count(*) > 0 FROM pg_stat_replication WHERE state = 'streaming'")
        self.primary.do("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        self._until("SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync'")

    def promote(self) -> None:
        """The standby takes writes from now on, alone at first."""
        forget = "ALTER SYSTEM RESET synchronous_standby_names"
        self.first = 1 - self.first
        self.primary.run("pg_ctl", "promote", "-D", self.primary.data, "-w")
        self.primary.do(forget, "SELECT pg_reload_conf()")

    def _until(self, query: str) -> None:
        over = time.monotonic() + SOON_S
        while not self.primary.ask(query):
            assert time.monotonic() < over, query
            time.sleep(0.05)

    def stop(self) -> None:
        """End both."""
        for member in self.members:
            member.stop()


@contextmanager
def run_member() -> Iterator[Member]:
    """A server of its own, durable in all settings, stopped in the end."""
    if programs is None:
        raise FileNotFoundError("initdb")
    with tempfile.TemporaryDirectory(prefix="countersign-pair-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        (home / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            user = server_user()
            for path in (home, home / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
        found = reachable(programs, home)
        initialise(found, home)
        member = Member(found, home, home / "data", find_free_port())
        try:
            member.start()
            yield member
        finally:
            member.stop()


@contextmanager
def run_pair() -> Iterator[Pair]:
    """Two servers, the second a synchronous standby of the first, with a database and the two roles of a service."""
    with run_member() as first:
        second = Member(first.programs, first.home, first.home / "other", find_free_port())
        pair = Pair((first, second), roles(first))
        pair.roles.create(pair.name)
        try:
            pair.follow()
            yield pair
        finally:
            pair.stop()


def roles(member: Member) -> PostgresServer:
    """The roles of a service, made on a server that ends with its user."""
    mark = secrets.token_hex(4)
    made = PostgresServer(member.admin_url, f"countersign_owner_{mark}", f"countersign_app_{mark}")
    member.do("CREATE ROLE countersign_retention NOLOGIN")
    member.do(*(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'" for role in (made.owner, made.app)))
    member.do(f"GRANT countersign_retention TO {made.owner}")
    return made
