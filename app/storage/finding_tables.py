"""The table of findings. What was found, and what explains it, stand in private parts of the trail, by their index."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, PrimaryKeyConstraint, String

from app.storage.columns import Instant
from app.storage.trail_tables import Code, Id, Name, Place, metadata

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
    PrimaryKeyConstraint("log", "id"),
    Index(None, "log", "about"),
    Index(None, "log", "state"),
)
