"""The table of proposed changes: what the trail does not tell of them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, LargeBinary, PrimaryKeyConstraint, String

from app.storage.columns import Instant
from app.storage.trail_tables import Code, Id, Place, metadata

__all__ = ["proposals"]

proposals = sa.Table(
    "proposals",
    metadata,
    Column("log", Code),
    Column("id", Id),
    Column("idx", Place, nullable=False),
    Column("due_at", Instant),
    Column("outcome", String(8)),
    Column("secrets", LargeBinary),
    Column("tested", LargeBinary),
    PrimaryKeyConstraint("log", "id"),
    Index(None, "due_at", postgresql_where=sa.text("due_at IS NOT NULL"), sqlite_where=sa.text("due_at IS NOT NULL")),
)
