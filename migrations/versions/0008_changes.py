"""The stream of changes, from here on: what happened before is in the trail, and nobody has followed it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# An instant: `timestamptz`, or the trail's stamp on SQLite.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
WAITING = sa.text("position IS NULL")


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request", sa.String(length=30), nullable=False),
        sa.Column("event", sa.String(length=30), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("log", "idx", name=op.f("pk_changes")),
    )
    op.create_index(op.f("ix_changes_position"), "changes", ["position"], unique=True)
    op.create_index(
        "ix_changes_waiting", "changes", ["at"], unique=False, postgresql_where=WAITING, sqlite_where=WAITING
    )
    stream = op.create_table(
        "stream",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stream")),
    )
    op.bulk_insert(stream, [{"id": 1, "last": 0, "floor": 0}])


def downgrade() -> None:
    op.drop_table("stream")
    op.drop_table("changes")
