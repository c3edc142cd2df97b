"""Statements of hot paths, straight to asyncpg: SQLAlchemy Core writes each one, once, and the driver runs it.

SQLAlchemy's own way to an async driver switches greenlets several times and makes a result object for each statement:
measured, five times the work of asyncpg itself. Here a constant statement is compiled once, with the types' own
conversions of parameters and columns; transaction, connection and errors are SQLAlchemy's still.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.storage.columns import dump_json

Convert = Callable[[Any], Any]
_DIALECT: Any = PGDialect_asyncpg(  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for it
    dbapi=PGDialect_asyncpg.import_dbapi(),  # type: ignore[no-untyped-call]  # as above
    json_serializer=dump_json,
)
_ERROR: type[Exception] = _DIALECT.loaded_dbapi.Error


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement as the driver takes it: its text, its parameters in order (name, default, conversion), and the
    conversions of the columns that have one.
    """

    text: str
    parameters: tuple[tuple[str, Any, Convert | None], ...]
    columns: tuple[tuple[int, Convert], ...]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The driver's arguments."""
        found = ((values.get(name, default), convert) for name, default, convert in self.parameters)
        return [value if convert is None else convert(value) for value, convert in found]

    def row(self, record: Sequence[Any]) -> Sequence[Any]:
        """A record with its columns converted."""
        if not self.columns:
            return record
        row = list(record)
        for place, convert in self.columns:
            row[place] = convert(row[place])
        return row


@cache
def compile_once(statement: sa.Executable, names: tuple[str, ...]) -> Compiled:
    """Compile a statement that stands for the life of the process; `names`: of the values an insert or update gets."""
    compiled: Any = statement.compile(dialect=_DIALECT, column_keys=list(names))  # type: ignore[attr-defined]  # every statement of Core has it
    defaults, binds = compiled.construct_params(_check=False), compiled.binds
    parameters = tuple(
        (name, defaults.get(name), binds[name].type._cached_bind_processor(_DIALECT))  # noqa: SLF001 -- what Core itself calls
        for name in compiled.positiontup
    )
    types = [column.type for column in compiled._result_columns]  # noqa: SLF001 -- as above
    converts = [(place, type_._cached_result_processor(_DIALECT, None)) for place, type_ in enumerate(types)]  # noqa: SLF001 -- as above
    columns = tuple((place, convert) for place, convert in converts if convert is not None)
    return Compiled(compiled.string, parameters, columns)


async def fetch(
    connection: AsyncConnection, statement: sa.Executable, values: Mapping[str, Any]
) -> Sequence[Sequence[Any]]:
    """The rows of a constant statement, inside the connection's transaction. Raises what SQLAlchemy raises."""
    records, convert = await fetch_raw(connection, statement, values)
    return records if convert is None else [convert(record) for record in records]


async def fetch_raw(
    connection: AsyncConnection, statement: sa.Executable, values: Mapping[str, Any]
) -> tuple[Sequence[Sequence[Any]], Callable[[Sequence[Any]], Sequence[Any]] | None]:
    """The rows as the driver gives them, and what makes those of `fetch` of them (null: they are the same)."""
    made = compile_once(statement, tuple(values))
    adapted: Any = connection.sync_connection.connection.dbapi_connection  # type: ignore[union-attr]  # it is connected
    try:
        if adapted._transaction is None:  # noqa: SLF001 -- SQLAlchemy too begins with the first statement
            await adapted._start_transaction()  # noqa: SLF001 -- as above
        records = await adapted.driver_connection.fetch(made.text, *made.arguments(values))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, _ERROR) as error:
        translated = _translated(adapted, error)
        lost = bool(adapted.driver_connection.is_closed())
        if lost:
            await connection.invalidate(error)
        if translated is None:
            raise
        raise DBAPIError.instance(
            made.text, None, translated, _ERROR, connection_invalidated=lost, dialect=_DIALECT
        ) from error
    return records, made.row if made.columns else None


def _translated(adapted: Any, error: Exception) -> Exception | None:
    """The error of Python's DB-API that the driver's own stands for; None where it stands for itself."""
    try:
        adapted._handle_exception(error)  # noqa: SLF001 -- the adapter's own translation
    except _ERROR as translated:
        return translated
    except Exception:  # noqa: BLE001 -- it is the error given
        return None
    return None
