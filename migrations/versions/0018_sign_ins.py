"""Reconciliations, the sign-ins that they judged, and sessions by environment and time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# An instant: `timestamptz`, or the trail's stamp on SQLite.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sign_ins",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("environment", sa.String(length=255), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("session", sa.String(length=30), nullable=True),
        sa.Column("request", sa.String(length=30), nullable=True),
        sa.Column("confidence", sa.String(length=16), nullable=True),
        sa.Column("finding", sa.String(length=30), nullable=True),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", "environment", "key", name=op.f("pk_sign_ins")),
    )
    op.create_index(op.f("ix_sign_ins_log_environment_at"), "sign_ins", ["log", "environment", "at"], unique=False)
    op.create_table(
        "reconciliations",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.String(length=255), nullable=False),
        sa.Column("begins", INSTANT, nullable=False),
        sa.Column("ends", INSTANT, nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("log", "idx", name=op.f("pk_reconciliations")),
    )
    op.create_index(
        op.f("ix_reconciliations_log_environment_ends"), "reconciliations", ["log", "environment", "ends"], unique=False
    )
    op.create_index(
        op.f("ix_sessions_log_environment_opened_at"), "sessions", ["log", "environment", "opened_at"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_sessions_log_environment_opened_at"), table_name="sessions")
    op.drop_table("reconciliations")
    op.drop_table("sign_ins")
