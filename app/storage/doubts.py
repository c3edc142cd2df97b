"""When an error says that the database could not answer, rather than that the statement was wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from app.domain.errors import Unavailable

# Connection, resources, operator intervention, system error; serialisation, deadlock, lock and idle timeouts.
_DOUBTFUL_CLASSES = frozenset({"08", "53", "57", "58"})
_IN_THE_WAY = frozenset({"40001", "40P01", "55P03"})
_DOUBTFUL_STATES = _IN_THE_WAY | {"25P03", "25006"}
_DOUBTFUL_CODES = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
})  # fmt: skip


def is_doubtful(error: DBAPIError) -> bool:
    """Whether the error says that the database could not answer, rather than that the statement was wrong."""
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _DOUBTFUL_CODES
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return state[:2] in _DOUBTFUL_CLASSES or state in _DOUBTFUL_STATES


def lock_timed_out(error: DBAPIError) -> bool:
    """Whether a lock was waited for too long."""
    return getattr(error.orig, "sqlstate", None) == "55P03"


def rolled_back(error: Unavailable) -> bool:
    """Whether it is certain that nothing was committed: another transaction was in the way, and the server said so."""
    return isinstance(error.__cause__, DBAPIError) and getattr(error.__cause__.orig, "sqlstate", None) in _IN_THE_WAY


@asynccontextmanager
async def doubts() -> AsyncIterator[None]:
    """Raises `Unavailable` where the database could not answer."""
    try:
        yield
    except DBAPIError as error:
        if not is_doubtful(error):
            raise
        raise Unavailable("the database did not answer in time") from error
    except TimeoutError as error:
        raise Unavailable("the database did not answer at all") from error
