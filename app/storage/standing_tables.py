"""The table of standing approvals: each one's fold, sealed by a MAC whose key is not in the database."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Index, LargeBinary, PrimaryKeyConstraint

from app.storage.columns import Instant
from app.storage.trail_tables import Code, Id, Json, metadata

standing_approvals = sa.Table(
    "standing_approvals",
    metadata,
    Column("log", Code),
    Column("id", Id),
    Column("state", Json, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log", "id"),
    Index(None, "not_after", postgresql_where=sa.text("NOT ended"), sqlite_where=sa.text("NOT ended")),
)
