"""The tables of what leaves the service: the outbox, and the webhooks that part of it goes to."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, String, Text

from app.storage.columns import Instant, Names
from app.storage.trail_tables import Code, Id, Json, Name, Place, metadata

_MAIL = sa.text("status = 'waiting' AND webhook IS NULL")
_LOST = sa.text("status = 'failed' AND webhook IS NULL")
_MAILS = sa.text("webhook IS NULL")
_HOOKS = sa.text("webhook IS NOT NULL")

outbox = sa.Table(
    "outbox",
    metadata,
    Column("log", Code),
    Column("id", Name),
    Column("kind", String(32), nullable=False),
    Column("about", Id),
    Column("webhook", Id),
    Column("payload", Json, nullable=False),
    Column("rendered", LargeBinary),
    Column("status", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("lease", String(64)),
    Column("error", Text),
    PrimaryKeyConstraint("log", "id"),
    Index(None, "due_at", postgresql_where=_MAIL, sqlite_where=_MAIL),
    Index(None, "log", "about"),
    Index(None, "id", postgresql_where=_MAILS, sqlite_where=_MAILS),
    Index(None, "log", "created_at", postgresql_where=_LOST, sqlite_where=_LOST),
    Index(None, "webhook", "status", "due_at", postgresql_where=_HOOKS, sqlite_where=_HOOKS),
)
webhooks = sa.Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", Id),
    Column("url", Text, nullable=False),
    Column("types", Names, nullable=False),
    Column("institutions", Names, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("old_secret", LargeBinary),
    Column("old_secret_until", Instant),
    Column("enabled", sa.Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("form", String(8), nullable=False, server_default="standard"),
    Column("address", LargeBinary),
    # How its endpoint does: written by the worker alone.
    Column("failures", Integer, nullable=False),
    Column("paused_until", Instant),
    Column("delivered_at", Instant),
    Column("failed_at", Instant),
    Column("error", Text),
)
webhook_sequences = sa.Table(
    "webhook_sequences",
    metadata,
    Column("log", Code),
    Column("webhook", Id),
    Column("last", Place, nullable=False),
    PrimaryKeyConstraint("log", "webhook"),
)
