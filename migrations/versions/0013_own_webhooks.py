"""Webhooks of institutions, which are no client's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("webhooks") as table:
        table.alter_column("client", existing_type=sa.String(length=30), nullable=True)


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM webhooks WHERE client IS NULL"))
    with op.batch_alter_table("webhooks") as table:
        table.alter_column("client", existing_type=sa.String(length=30), nullable=False)
