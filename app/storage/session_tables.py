"""The tables of sessions: who is in, what was reported and recorded, and the keys that recordings are sealed with."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, String, Text

from app.storage.columns import Instant
from app.storage.trail_tables import Code, Id, Json, Name, Place, metadata


def _where(condition: str) -> dict[str, Any]:
    """What makes an index partial, on both databases."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


sessions = sa.Table(
    "sessions",
    metadata,
    Column("log", Code),
    Column("id", Id),
    Column("request", Id, nullable=False),
    Column("grant", Id, nullable=False),
    Column("jti", Name, nullable=False),
    Column("client", Id),
    Column("audience", Text, nullable=False),
    Column("environment", Name, nullable=False),
    Column("account", String(32), nullable=False),
    Column("engineer_id", Name, nullable=False),
    Column("credential", LargeBinary),
    Column("jkt", String(43)),
    Column("state", String(16), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("opened_index", Place, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ended_because", String(16)),
    Column("segments", Integer, nullable=False),
    Column("sealed", Place, nullable=False),
    Column("coverage", Json, nullable=False),
    Column("record_by", Instant),
    Column("mac", LargeBinary, nullable=False),
    Column("events", Place, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("seal_at", Instant),
    PrimaryKeyConstraint("log", "id"),
    Index(None, "id"),
    Index(None, "log", "request"),
    Index(None, "log", "environment", "opened_at"),
    Index(None, "jti", unique=True),
    Index(None, "credential", unique=True),
    Index(None, "record_by", **_where("state = 'open'")),
    Index(None, "not_after", **_where("state IN ('open', 'lost')")),
    Index(None, "seal_at", **_where("seal_at IS NOT NULL")),
    # `seen_at` and `events` change at every call, so they stand in no index, and pages keep room for the next version.
    postgresql_with={"fillfactor": 50},
)
session_events = sa.Table(
    "session_events",
    metadata,
    Column("log", Code),
    Column("session", Id),
    Column("n", Place, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("summary", Text, nullable=False),
    Column("detail", Text),
    Column("late", Boolean, nullable=False),
    PrimaryKeyConstraint("log", "session", "n"),
)
session_segments = sa.Table(
    "session_segments",
    metadata,
    Column("log", Code),
    Column("session", Id),
    Column("n", Integer, autoincrement=False),
    Column("first", Place, nullable=False),
    Column("last", Place, nullable=False),
    Column("salt", String(22), nullable=False),
    Column("digest", String(71), nullable=False),
    PrimaryKeyConstraint("log", "session", "n"),
)
session_parts = sa.Table(
    "session_parts",
    metadata,
    Column("log", Code),
    Column("session", Id),
    Column("n", Integer, autoincrement=False),
    Column("bytes", Place, nullable=False),
    Column("digest", String(71), nullable=False),
    Column("content_type", Name, nullable=False),
    Column("at", Instant, nullable=False),
    Column("object", Text, nullable=False),
    Column("erased_at", Instant),
    PrimaryKeyConstraint("log", "session", "n"),
    Index(None, "at", **_where("erased_at IS NULL")),
)
recording_keys = sa.Table(
    "recording_keys",
    metadata,
    Column("log", Code, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)
