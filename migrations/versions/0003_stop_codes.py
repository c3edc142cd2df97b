"""Stop codes as keyed hashes, and how often somebody without a sign-in has tried."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# An instant: `timestamptz`, or the trail's stamp on SQLite.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.create_table(
        "stop_codes",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("made_by", sa.String(length=30), nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.Column("ended", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("log", "code", name=op.f("pk_stop_codes")),
    )
    op.create_table(
        "attempts",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("began", INSTANT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_began"), "attempts", ["began"], unique=False)


def downgrade() -> None:
    op.drop_table("attempts")
    op.drop_table("stop_codes")
