"""The stream of changes: which entries changed a request, in the order in which readers are told of them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, String

from app.storage.columns import Instant
from app.storage.trail_tables import Code, Id, Place, metadata

_WAITING = sa.text("position IS NULL")

changes = sa.Table(
    "changes",
    metadata,
    Column("log", Code),
    Column("idx", Place, autoincrement=False),
    Column("request", Id, nullable=False),
    Column("event", Id, nullable=False),
    Column("type", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("position", Place),
    PrimaryKeyConstraint("log", "idx"),
    Index(None, "position", unique=True),
    Index("ix_changes_waiting", "at", postgresql_where=_WAITING, sqlite_where=_WAITING),
)
stream = sa.Table(
    "stream",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", Place, nullable=False),
    Column("floor", Place, nullable=False),
)
