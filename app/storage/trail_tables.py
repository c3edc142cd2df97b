"""The trail's tables, and what all tables share: names of constraints, and the kinds of columns."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, String

from app.storage.columns import Hashes, Instant

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)
Code = String(64)
Id = String(30)
Name = String(255)
Json = sa.JSON(none_as_null=True)
Place = sa.BigInteger

# The trail. Without rowids on SQLite, because `INSERT OR REPLACE` over a rowid would slip past a trigger on the key.

logs = sa.Table(
    "logs",
    metadata,
    Column("log", Code, primary_key=True),
    Column("origin", Name, nullable=False, unique=True),
    Column("size", Place, nullable=False),
    Column("edge", Hashes, nullable=False),
    Column("last_at", Instant),
    Column("grown_at", Instant),
    Column("former", Code),
    Index(None, "former", postgresql_where=sa.text("former IS NOT NULL"), sqlite_where=sa.text("former IS NOT NULL")),
    Index(
        None, "grown_at", postgresql_where=sa.text("grown_at IS NOT NULL"), sqlite_where=sa.text("grown_at IS NOT NULL")
    ),
)
leaves = sa.Table(
    "leaves",
    metadata,
    Column("log", Code),
    Column("idx", Place, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("type", String(64), nullable=False),
    Column("subject", Code, nullable=False),
    Column("request", Id),
    PrimaryKeyConstraint("log", "idx"),
    Index(None, "log", "type", "idx"),
    Index(None, "log", "subject", "idx"),
    Index(
        None,
        "log",
        "request",
        "idx",
        postgresql_where=sa.text("request IS NOT NULL"),
        sqlite_where=sa.text("request IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)
private_parts = sa.Table(
    "private_parts",
    metadata,
    Column("log", Code),
    Column("idx", Place, autoincrement=False),
    Column("part", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log", "idx"),
    sqlite_with_rowid=False,
)
tiles = sa.Table(
    "tiles",
    metadata,
    Column("log", Code),
    Column("level", Integer, autoincrement=False),
    Column("idx", Place, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log", "level", "idx"),
    sqlite_with_rowid=False,
)
evidence = sa.Table(
    "evidence",
    metadata,
    Column("log", Code),
    Column("digest", String(71)),
    Column("blob", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log", "digest"),
    sqlite_with_rowid=False,
)
