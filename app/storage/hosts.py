"""Which of several PostgreSQL servers is spoken to: the one that takes writes.

    postgresql://app:secret@one:5432,two:5432/countersign?target_session_attrs=read-write

(https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS). All are asked at once, so that one
that vanished without a word keeps nobody waiting, and the first that takes writes is taken. A server of an earlier
timeline than one that was written to before is a primary of the past that nobody has stopped, and is never gone back
to (https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES).
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

_HOSTS = re.compile(r"^(?P<before>[^:/?#]+://(?:[^@/?#]*@)?)(?P<hosts>[^/?#]*,[^/?#]*)(?P<after>[/?#].*)?$", re.DOTALL)
_TIMELINE = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
FOREVER_S = 7 * 24 * 3600.0
PORT = 5432
# A peer that vanished is noticed by the kernel, whatever is waited for.
_ALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}


def split(url: str) -> str:
    """The URL with its several hosts where SQLAlchemy looks for them; any other as it is. Raises `ValueError`."""
    match = _HOSTS.match(url)
    if match is None:
        return url
    hosts = [f"{host}:{port or PORT}" for host, _, port in (each.partition(":") for each in match["hosts"].split(","))]
    if any(not re.fullmatch(r"[A-Za-z0-9._-]+:[0-9]{1,5}", host) for host in hosts):
        raise ValueError("several hosts are given as one:5432,two:5432")
    path, _, query = (match["after"] or "").partition("?")
    asked = [f"host={host}" for host in hosts] + ([query] if query else [])
    return f"{match['before']}{path or '/'}?{'&'.join(asked)}"


class Patient(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection whose commits are never cancelled: that of a commit which waits for a standby would make it a change
    that everybody sees, and that the standby has not (`late.py`).
    """

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """As any connection does."""
        said: str = await super().execute(query, *args, timeout=FOREVER_S if query == "COMMIT;" else timeout)
        return said


class Hosts:
    """Makes connections, as `asyncpg.connect` does, to the servers of one URL."""

    def __init__(self) -> None:
        self._timeline = 0

    async def connect(self, **arguments: Any) -> Any:
        """A connection to a server that takes writes, or to the only one there is.

        Raises `OSError` where none does, and what asyncpg raises.
        """
        host, port = arguments.pop("host", None), arguments.pop("port", None)
        if not isinstance(host, Sequence) or isinstance(host, str):
            return _alive(await asyncpg.connect(host=host, port=port, connection_class=Patient, **arguments))
        arguments.setdefault("target_session_attrs", "read-write")
        return await self._first([asyncio.ensure_future(self._one(*each, arguments)) for each in zip(host, port)])  # noqa: B905 -- as many ports as hosts, says SQLAlchemy

    async def _first(self, tries: Sequence[asyncio.Future[Any]]) -> Any:
        left, doubts = set(tries), list[BaseException]()
        try:
            while left:
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                doubts += [error for each in done if (error := each.exception()) is not None]
                for each in done:
                    if each.exception() is None:
                        tries = [other for other in tries if other is not each]
                        return each.result()
        finally:
            for other in tries:
                other.cancel()
                other.add_done_callback(_hang_up)
        raise _telling(doubts)

    async def _one(self, host: str, port: int, arguments: Mapping[str, Any]) -> Any:
        connection = await asyncpg.connect(host=host, port=port, connection_class=Patient, **arguments)
        try:
            self._judge(await connection.fetchval(_TIMELINE))
        except BaseException:
            connection.terminate()
            raise
        return _alive(connection)

    def _judge(self, timeline: int) -> None:
        if timeline < self._timeline:
            raise ConnectionRefusedError("this is a primary of the past")
        self._timeline = timeline


def _hang_up(tried: asyncio.Future[Any]) -> None:
    """Whoever came second is not kept."""
    if not tried.cancelled() and tried.exception() is None:
        tried.result().terminate()


def _telling(doubts: Sequence[BaseException]) -> BaseException:
    """What is told when nobody takes writes: what a server says of itself, sooner than that one is away."""
    for doubt in doubts:
        if not isinstance(doubt, OSError | TimeoutError | asyncpg.TargetServerAttributeNotMatched):
            return doubt
    return ConnectionRefusedError("no server takes writes")


def _alive(connection: Any) -> Any:
    """The connection, watched by the kernel."""
    found: socket.socket | None = connection._transport.get_extra_info("socket")  # noqa: SLF001 -- asyncpg shows it nowhere
    if found is not None and found.family != socket.AF_UNIX:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _ALIVE.items():
            if (option := getattr(socket, name, None)) is not None:
                found.setsockopt(socket.IPPROTO_TCP, option, value)
    return connection
