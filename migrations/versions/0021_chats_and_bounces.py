"""Webhooks of chat channels, whose addresses are sealed; mails found by their id, and those that did not arrive."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

MAILS = sa.text("webhook IS NULL")
LOST = sa.text("status = 'failed' AND webhook IS NULL")


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("form", sa.String(length=8), server_default="standard", nullable=False))
    op.add_column("webhooks", sa.Column("address", sa.LargeBinary(), nullable=True))
    op.create_index(op.f("ix_outbox_id"), "outbox", ["id"], unique=False, postgresql_where=MAILS, sqlite_where=MAILS)
    op.create_index(
        op.f("ix_outbox_log_created_at"),
        "outbox",
        ["log", "created_at"],
        unique=False,
        postgresql_where=LOST,
        sqlite_where=LOST,
    )


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM webhooks WHERE form <> 'standard'"))
    op.drop_index(op.f("ix_outbox_log_created_at"), table_name="outbox")
    op.drop_index(op.f("ix_outbox_id"), table_name="outbox")
    with op.batch_alter_table("webhooks") as table:
        table.drop_column("address")
        table.drop_column("form")
