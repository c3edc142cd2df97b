"""The tables of reconciliations, and of the sign-ins that they judged: each once, by its key, with the session it
matches or the finding it became. Addresses stand in evidence and private parts alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, String

from app.storage.columns import Instant
from app.storage.trail_tables import Code, Id, Name, Place, metadata

sign_ins = sa.Table(
    "sign_ins",
    metadata,
    Column("log", Code),
    Column("environment", Name),
    Column("key", LargeBinary),
    Column("at", Instant, nullable=False),
    Column("account", String(32), nullable=False),
    Column("session", Id),
    Column("request", Id),
    Column("confidence", String(16)),
    Column("finding", Id),
    Column("idx", Place, nullable=False),
    PrimaryKeyConstraint("log", "environment", "key"),
    Index(None, "log", "environment", "at"),
)
reconciliations = sa.Table(
    "reconciliations",
    metadata,
    Column("log", Code),
    Column("idx", Place),
    Column("environment", Name, nullable=False),
    Column("begins", Instant, nullable=False),
    Column("ends", Instant, nullable=False),
    Column("source", String(16), nullable=False),
    Column("records", Integer, nullable=False),
    Column("matched", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("unread", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("log", "idx"),
    Index(None, "log", "environment", "ends"),
)
