"""The tables of findings and of account scans.

What was found, and what explains it, stand in private parts of the trail, by their index. `key` is the keyed hash of
what was found, so that it is one finding for as long as it is there, and no user's name stands in the table.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, String, Text

from app.storage.columns import Instant
from app.storage.trail_tables import Code, Id, Json, Name, Place, metadata

_NOT_CLOSED = sa.text("closed_at IS NULL AND key IS NOT NULL")

findings = sa.Table(
    "findings",
    metadata,
    Column("log", Code),
    Column("id", Id),
    Column("kind", String(32), nullable=False),
    Column("environment", Name),
    Column("about", Id),
    Column("state", String(16), nullable=False),
    Column("opened_index", Place, nullable=False),
    Column("explained_index", Place),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("found_by", String(16), nullable=False, server_default="dispute"),
    Column("key", LargeBinary),
    PrimaryKeyConstraint("log", "id"),
    Index(None, "log", "about"),
    Index(None, "log", "state"),
    Index(
        "uq_findings_log_key",
        "log",
        "key",
        unique=True,
        postgresql_where=_NOT_CLOSED,
        sqlite_where=_NOT_CLOSED,
    ),
)
scans = sa.Table(
    "scans",
    metadata,
    Column("log", Code),
    Column("id", Id),
    Column("environment", Name, nullable=False),
    Column("source", String(16), nullable=False),
    Column("asked_by", Id, nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("users", Integer, nullable=False),
    Column("total", Integer),
    Column("idx", Place),
    Column("problem", Text),
    Column("seen", Json),
    PrimaryKeyConstraint("log", "id"),
    Index(None, "log", "environment", "id"),
    Index(
        "uq_scans_log_under_way",
        "log",
        "environment",
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    ),
)
