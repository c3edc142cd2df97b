"""The one place that begins and commits.

* `Database.begin()` is a write transaction: committed when its block ends well, rolled back otherwise. On SQLite it
  starts with `BEGIN IMMEDIATE`, and writers of this process queue fairly before they take a connection. On PostgreSQL
  those of one log do who are more than half as many as there are connections (`turns.py`).
* `Database.read()` is one snapshot, read only (PostgreSQL: `REPEATABLE READ READ ONLY`).
* `Database.at_once()` is for hot paths whose every statement is a transaction of its own, `glance()` for reading ones.
* A commit that is late, because a standby is gone, is not cancelled, and nobody is told that it is done (`late.py`).
* `Joined` is a database inside one open transaction: what begins there is part of it, and nothing commits.
* A database in doubt (no connection, pool exhausted, statement, lock or transaction timeout, deadlock) is
  `Unavailable`.
* One clock: PostgreSQL's, or the host's on SQLite; an injected one wins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from app.domain.errors import Unavailable
from app.domain.events import Entry
from app.storage import direct, hosts
from app.storage.bell import Bell
from app.storage.columns import dump_json, values_of
from app.storage.doubts import doubts
from app.storage.kept import Kept
from app.storage.late import Late
from app.storage.turns import Turns

Clock = Callable[[], datetime]
_NONE: Mapping[str, Any] = MappingProxyType({})
Dialect = Literal["sqlite", "postgresql"]

WAIT_SECONDS = 5
_TIMEOUTS = {
    "statement_timeout": "10s",
    "lock_timeout": f"{WAIT_SECONDS}s",
    "idle_in_transaction_session_timeout": "15s",
    "jit": "off",
}
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}


def driver_url(url: str) -> sa.URL:
    """The URL with the async driver of its database; it may name several servers. Raises `ValueError` for any other."""
    parsed = sa.make_url(hosts.split(url))
    backend = parsed.drivername.split("+")[0]
    if backend not in _DRIVERS:
        raise ValueError(f"the database is sqlite:// or postgresql://, not {parsed.drivername}://")
    return parsed.set(drivername=_DRIVERS[backend])


def make_engine(url: str, *, pool_size: int = 10, timeouts: dict[str, str] | None = None) -> AsyncEngine:
    """An engine with a bounded pool, time limits (PostgreSQL; `timeouts` wins) and honest transactions (SQLite)."""
    target = driver_url(url)
    options: dict[str, Any] = {"json_serializer": dump_json, "json_deserializer": orjson.loads}
    options |= {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": WAIT_SECONDS}
    if target.drivername == "sqlite+aiosqlite":
        engine = create_async_engine(target, connect_args={"timeout": WAIT_SECONDS}, **options)
        sa.event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        sa.event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    arguments: dict[str, Any] = {"server_settings": _TIMEOUTS | (timeouts or {}), "timeout": WAIT_SECONDS}
    arguments |= {"prepared_statement_cache_size": 300, "async_creator_fn": hosts.Hosts().connect}
    if timeouts is None:  # for a server that vanished; one that is there ends its statements earlier by itself
        arguments["command_timeout"] = 6 * WAIT_SECONDS
    engine = create_async_engine(target, connect_args=arguments, pool_use_lifo=True, **options)
    sa.event.listen(engine.sync_engine, "checkout", _refuse_lost)
    return engine


def _refuse_lost(connection: Any, _record: Any, _proxy: Any) -> None:
    """A connection that was cut off while nobody used it is made anew before anybody notices."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: see `_begin_sqlite`
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", "recursive_triggers=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


# Statements of hot paths are made once: making one costs the host more than PostgreSQL needs to run it.
@cache
def insert_of(dialect: Dialect, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """The dialect's insert into a table."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@cache
def _insert_once(dialect: Dialect, table: sa.Table) -> sa.Executable:
    return insert_of(dialect, table).on_conflict_do_nothing().returning(*table.primary_key)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One open transaction: a connection, and the clock. `told`: the requests it changes, whose followers are woken;
    `appended`: the entries it adds, which are counted once they are committed.
    """

    connection: AsyncConnection
    dialect: Dialect
    clock: Clock | None = None
    told: set[str] = field(default_factory=set)
    appended: list[Entry] = field(default_factory=list)
    late: Late | None = None
    """Where each statement commits by itself."""

    async def now(self) -> datetime:
        """The instant, from the one clock: the injected one, else PostgreSQL's `clock_timestamp()`, else the host's."""
        if self.clock is not None:
            return self.clock()
        if self.dialect == "sqlite":
            return datetime.now(UTC)
        ((now,),) = await self.fetch(_NOW)
        return cast("datetime", now).astimezone(UTC)

    async def fetch(self, statement: sa.Executable, values: Mapping[str, Any] = _NONE) -> Sequence[Sequence[Any]]:
        """The rows of a statement that is made once and stands for ever; hot paths run theirs by this."""
        if self.dialect == "postgresql":
            async with self._in_time():
                return await direct.fetch(self.connection, statement, values)
        result = await self.connection.execute(statement, values)
        return result.all() if result.returns_rows else ()

    async def fetch_raw(
        self, statement: sa.Executable, values: Mapping[str, Any] = _NONE
    ) -> tuple[Sequence[Sequence[Any]], Callable[[Sequence[Any]], Sequence[Any]]]:
        """The same rows as the database sends them, and what converts one: for rows that are met again and again."""
        if self.dialect == "postgresql":
            async with self._in_time():
                rows, convert = await direct.fetch_raw(self.connection, statement, values)
            return rows, convert or _as_it_is
        return await self.fetch(statement, values), _as_it_is

    def _in_time(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self.late is None else self.late.at_once(self.connection)

    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """The dialect's insert, for its `ON CONFLICT`."""
        return insert_of(self.dialect, table)

    async def put(self, table: sa.Table, row: Any) -> None:
        """Insert one row, a dataclass whose fields are named like the columns."""
        await self.fetch(insert_of(self.dialect, table), values_of(row))

    async def put_once(self, table: sa.Table, row: Any) -> bool:
        """Insert one row unless a unique key of it is taken; whether it was inserted."""
        return bool(await self.fetch(_insert_once(self.dialect, table), values_of(row)))


def _counts_nothing(_: Sequence[Entry]) -> None:
    """Nobody counts."""


def _as_it_is(row: Sequence[Any]) -> Sequence[Any]:
    return row


_NOW = sa.select(sa.func.clock_timestamp(type_=sa.DateTime(timezone=True)))


class Database:
    """The engine behind one URL (`sqlite:///…`, `postgresql://…`)."""

    def __init__(
        self, url: str, *, clock: Clock | None = None, pool_size: int = 10, timeouts: dict[str, str] | None = None
    ) -> None:
        self.engine = make_engine(url, pool_size=pool_size, timeouts=timeouts)
        self.dialect: Dialect = "sqlite" if self.engine.dialect.name == "sqlite" else "postgresql"
        self.clock = clock
        self.bell = Bell(self.engine if self.dialect == "postgresql" else None)
        self.committed: Callable[[Sequence[Entry]], None] = _counts_nothing
        self._writers = asyncio.Lock()
        self._kept = Kept(self.look)
        self._late, self._turns = Late(), Turns(pool_size // 2, 2 * WAIT_SECONDS)

    @asynccontextmanager
    async def begin(self, log: str | None = None) -> AsyncIterator[Transaction]:
        """A write transaction, committed at the end of the block; `log`: whose head it will wait for, where that is
        known. Raises `Unavailable`.
        """
        self._late.admit()
        async with self._turns.of(log), self._turn(), doubts(), AsyncExitStack() as stack:
            transaction = await self._open(stack, {"writes": True})
            yield transaction
            await self._late.commit(transaction.connection, stack)
            self.bell.ring(transaction.told)
            if transaction.appended:
                self.committed(transaction.appended)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """One read-only snapshot. Raises `Unavailable`."""
        options: dict[str, Any] = {"writes": False}
        if self.dialect == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        async with self._connected(options) as transaction:
            yield transaction

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Transaction]:
        """For statements that only read, each a snapshot of its own; nothing is begun. Raises `Unavailable`."""
        options: dict[str, Any] = {"writes": False}
        if self.dialect == "postgresql":
            options = {"isolation_level": "AUTOCOMMIT"}
        async with self._connected(options) as transaction:
            yield transaction

    def glance(self) -> AbstractAsyncContextManager[Transaction]:
        """As `look`, on a connection that stays open for the next block (PostgreSQL). Raises `Unavailable`."""
        return self._kept.use() if self.dialect == "postgresql" else self.look()

    def at_once(self, *, writes: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """For statements that are each a transaction of their own, committed when they return, on a connection that
        stays open for the next block. On SQLite a write transaction like any. Raises `Unavailable`.
        """
        if self.dialect == "sqlite":
            return self.begin()
        return self._written() if writes else self._kept.use()

    @asynccontextmanager
    async def _written(self) -> AsyncIterator[Transaction]:
        self._late.admit()
        async with self._kept.use() as transaction:
            yield replace(transaction, late=self._late)

    async def close(self) -> None:
        """Close every connection."""
        await self.bell.close()
        await self._kept.close()
        await self._late.close()
        await self.engine.dispose()

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return self._queued() if self.dialect == "sqlite" else nullcontext()

    @asynccontextmanager
    async def _queued(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(WAIT_SECONDS * 2):
                await self._writers.acquire()
        except TimeoutError as error:
            raise Unavailable("too many writers are waiting for the database") from error
        try:
            yield
        finally:
            self._writers.release()

    @asynccontextmanager
    async def _connected(self, options: dict[str, Any]) -> AsyncIterator[Transaction]:
        async with doubts(), AsyncExitStack() as stack:
            yield await self._open(stack, options)

    async def _open(self, stack: AsyncExitStack, options: dict[str, Any]) -> Transaction:
        connection = await self._connect(stack)
        await connection.execution_options(**options)
        await connection.begin()
        return Transaction(connection, self.dialect, self.clock)

    async def _connect(self, stack: AsyncExitStack) -> AsyncConnection:
        pool = self.engine.pool
        if self._kept.idle and isinstance(pool, QueuePool) and pool.checkedout() >= pool.size():
            await self._kept.leave()
        try:
            return await stack.enter_async_context(self.engine.connect())
        except PoolTimeout as error:
            raise Unavailable("every database connection is in use") from error
        except OSError as error:
            raise Unavailable("the database cannot be reached") from error


class Joined(Database):
    """A database whose every block is part of one open transaction, which its opener commits.

    A block that fails takes the whole transaction with it: `broken` says so, and nothing begins after it.
    """

    def __init__(self, tx: Transaction) -> None:  # the engine is the opener's
        self.engine, self.dialect, self.clock = tx.connection.engine, tx.dialect, tx.clock
        self.broken, self.bell, self.committed = False, Bell(None), _counts_nothing
        self._tx = tx

    @asynccontextmanager
    async def begin(self, log: str | None = None) -> AsyncIterator[Transaction]:  # noqa: ARG002 -- the turn is the opener's
        """A part of the open transaction."""
        if self.broken:
            raise RuntimeError("a part of this transaction failed before")
        try:
            yield self._tx
        except BaseException:
            self.broken = True
            raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """What the open transaction sees, its own changes included."""
        async with self.begin() as tx:
            yield tx

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Transaction]:
        """The same."""
        async with self.begin() as tx:
            yield tx

    def glance(self) -> AbstractAsyncContextManager[Transaction]:
        """The same."""
        return self.begin()

    def at_once(self, *, writes: bool = False) -> AbstractAsyncContextManager[Transaction]:  # noqa: ARG002 -- all the same
        """The same: nothing is committed."""
        return self.begin()

    async def close(self) -> None:
        """Nothing: the connection is the opener's."""
