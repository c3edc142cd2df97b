"""The tables of checkpoints that went out: which logs are due, the witnesses, and what each of them signed."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, String, Text

from app.storage.columns import Instant
from app.storage.trail_tables import Code, Place, metadata

witnesses = sa.Table(
    "witnesses",
    metadata,
    Column("vkey", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("retry_at", Instant),
    Column("problem", String(32)),
)
witness_sizes = sa.Table(
    "witness_sizes",
    metadata,
    Column("log", Code),
    Column("vkey", Text),
    Column("size", Place, nullable=False),
    Column("problem", String(32)),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("log", "vkey"),
)
cosignatures = sa.Table(
    "cosignatures",
    metadata,
    Column("log", Code),
    Column("size", Place, autoincrement=False),
    Column("vkey", Text),
    Column("line", Text, nullable=False),
    Column("time", Place, nullable=False),
    PrimaryKeyConstraint("log", "size", "vkey"),
)
publications = sa.Table(
    "publications",
    metadata,
    Column("log", Code, primary_key=True),
    Column("size", Place, nullable=False),
    Column("at", Instant),
    Column("lease", String(32)),
    Column("leased_until", Instant),
    Column("retry_at", Instant),
    Column("observe_at", Instant),
    Column("observed_at", Instant),
    Column("observed_size", Place, nullable=False),
    Index(
        None,
        "retry_at",
        postgresql_where=sa.text("retry_at IS NOT NULL"),
        sqlite_where=sa.text("retry_at IS NOT NULL"),
    ),
    Index(
        None,
        "observe_at",
        postgresql_where=sa.text("observe_at IS NOT NULL"),
        sqlite_where=sa.text("observe_at IS NOT NULL"),
    ),
)
