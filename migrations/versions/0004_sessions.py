"""Sessions, what was reported and recorded of them, and the keys that recordings are sealed with."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# An instant: `timestamptz`, or the trail's stamp on SQLite.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    _sessions()
    _activity()
    _recordings()


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=30), nullable=False),
        sa.Column("request", sa.String(length=30), nullable=False),
        sa.Column("grant", sa.String(length=30), nullable=False),
        sa.Column("jti", sa.String(length=255), nullable=False),
        sa.Column("client", sa.String(length=30), nullable=True),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("environment", sa.String(length=255), nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("engineer_id", sa.String(length=255), nullable=False),
        sa.Column("credential", sa.LargeBinary(), nullable=True),
        sa.Column("jkt", sa.String(length=43), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("opened_index", sa.BigInteger(), nullable=False),
        sa.Column("not_after", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("ended_because", sa.String(length=16), nullable=True),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.BigInteger(), nullable=False),
        sa.Column("coverage", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("record_by", INSTANT, nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("seal_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("log", "id", name=op.f("pk_sessions")),
    )
    indexes: tuple[tuple[list[str], dict[str, Any]], ...] = (
        (["id"], {}),
        (["log", "request"], {}),
        (["jti"], {"unique": True}),
        (["credential"], {"unique": True}),
        (["seen_at"], _where("state = 'open'")),
        (["record_by"], _where("state = 'open'")),
        (["not_after"], _where("state IN ('open', 'lost')")),
        (["seal_at"], _where("seal_at IS NOT NULL")),
    )
    for columns, options in indexes:
        op.create_index(op.f(f"ix_sessions_{'_'.join(columns)}"), "sessions", columns, **options)


def _activity() -> None:
    op.create_table(
        "session_events",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("session", sa.String(length=30), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("log", "session", "n", name=op.f("pk_session_events")),
    )
    op.create_table(
        "session_segments",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("session", sa.String(length=30), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.String(length=22), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.PrimaryKeyConstraint("log", "session", "n", name=op.f("pk_session_segments")),
    )


def _recordings() -> None:
    op.create_table(
        "session_parts",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("session", sa.String(length=30), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("content_type", sa.String(length=255), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("erased_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("log", "session", "n", name=op.f("pk_session_parts")),
    )
    op.create_index(op.f("ix_session_parts_at"), "session_parts", ["at"], **_where("erased_at IS NULL"))
    op.create_table(
        "recording_keys",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_recording_keys")),
    )


def _where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def downgrade() -> None:
    for table in ("recording_keys", "session_parts", "session_segments", "session_events", "sessions"):
        op.drop_table(table)
