"""Webhooks: where they lead, and what waits for each in the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# An instant: `timestamptz`, or the trail's stamp on SQLite.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
WAITING = sa.text("status = 'waiting'")
MAIL = sa.text("status = 'waiting' AND webhook IS NULL")
OF_WEBHOOKS = sa.text("webhook IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=30), nullable=False),
        sa.Column("client", sa.String(length=30), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("institutions", sa.JSON(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        sa.Column("old_secret_until", INSTANT, nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("paused_until", INSTANT, nullable=True),
        sa.Column("delivered_at", INSTANT, nullable=True),
        sa.Column("failed_at", INSTANT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "webhook_sequences",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("webhook", sa.String(length=30), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", "webhook", name=op.f("pk_webhook_sequences")),
    )
    op.add_column("outbox", sa.Column("webhook", sa.String(length=30), nullable=True))
    _index_of_due(MAIL)  # what waits for an endpoint that is down must not stand in the way of mails
    op.create_index(
        op.f("ix_outbox_webhook_status_due_at"),
        "outbox",
        ["webhook", "status", "due_at"],
        unique=False,
        postgresql_where=OF_WEBHOOKS,
        sqlite_where=OF_WEBHOOKS,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_outbox_webhook_status_due_at"), "outbox")
    _index_of_due(WAITING)
    op.drop_column("outbox", "webhook")
    op.drop_table("webhook_sequences")
    op.drop_table("webhooks")


def _index_of_due(where: sa.TextClause) -> None:
    op.drop_index(op.f("ix_outbox_due_at"), "outbox")
    op.create_index(
        op.f("ix_outbox_due_at"), "outbox", ["due_at"], unique=False, postgresql_where=where, sqlite_where=where
    )
