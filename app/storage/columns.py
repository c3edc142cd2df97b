"""Column types that mean the same on SQLite and PostgreSQL, and the passage between rows and frozen dataclasses."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.domain.times import parse_stamp, stamp


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime: `timestamptz` on PostgreSQL, the trail's stamp (which sorts) on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        """The type that the database sees."""
        return dialect.type_descriptor(sa.String(27) if dialect.name == "sqlite" else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """What is stored."""
        if value is None or dialect.name != "sqlite":
            return value
        return stamp(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """What is read."""
        if value is None or dialect.name != "sqlite":
            return cast("datetime | None", value)
        return parse_stamp(value)


class Names(TypeDecorator[tuple[str, ...]]):
    """A tuple of strings, kept as a JSON array."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: sa.Dialect) -> Any:  # noqa: ARG002 -- their signature
        """What is stored."""
        return None if value is None else list(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> tuple[str, ...] | None:  # noqa: ARG002 -- their signature
        """What is read."""
        return None if value is None else tuple(value)


class Hashes(TypeDecorator[tuple[bytes, ...]]):
    """A tuple of 32-byte hashes, kept as their concatenation."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: tuple[bytes, ...] | None, dialect: sa.Dialect) -> bytes | None:  # noqa: ARG002 -- their signature
        """What is stored."""
        return None if value is None else b"".join(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> tuple[bytes, ...] | None:  # noqa: ARG002 -- their signature
        """What is read."""
        return None if value is None else split_hashes(value)


def split_hashes(value: bytes) -> tuple[bytes, ...]:
    """The hashes of their concatenation."""
    return tuple(value[at : at + 32] for at in range(0, len(value), 32))


def dump_json(value: Any) -> str:
    """How JSON columns are written."""
    return orjson.dumps(value).decode()


def select_rows(table: sa.Table, kind: type[Any]) -> sa.Select[Any]:
    """A select of exactly the columns named like the dataclass's fields, in their order: `kind(*row)` fits."""
    return sa.select(*(table.c[field.name] for field in fields(kind)))


def values_of(row: Any) -> dict[str, Any]:
    """The row's fields by column name."""
    return {field.name: getattr(row, field.name) for field in fields(row)}
