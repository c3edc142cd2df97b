"""Logs that are due for a checkpoint, witnesses and their cosignatures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# An instant: `timestamptz`, or the trail's stamp on SQLite.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def _queue(table: str, column: str) -> None:
    """An index of what waits alone."""
    waits = sa.text(f"{column} IS NOT NULL")
    name = op.f(f"ix_{table}_{column}")
    op.create_index(name, table, [column], unique=False, postgresql_where=waits, sqlite_where=waits)


def upgrade() -> None:
    op.add_column("logs", sa.Column("grown_at", INSTANT, nullable=True))
    _queue("logs", "grown_at")
    op.execute(sa.text("UPDATE logs SET grown_at = last_at"))
    op.create_table(
        "witnesses",
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("retry_at", INSTANT, nullable=True),
        sa.Column("problem", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("vkey", name=op.f("pk_witnesses")),
    )
    op.create_table(
        "witness_sizes",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.String(length=32), nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("log", "vkey", name=op.f("pk_witness_sizes")),
    )
    op.create_table(
        "cosignatures",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", "size", "vkey", name=op.f("pk_cosignatures")),
    )
    op.create_table(
        "publications",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=True),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("leased_until", INSTANT, nullable=True),
        sa.Column("retry_at", INSTANT, nullable=True),
        sa.Column("observe_at", INSTANT, nullable=True),
        sa.Column("observed_at", INSTANT, nullable=True),
        sa.Column("observed_size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_publications")),
    )
    for column in ("retry_at", "observe_at"):
        _queue("publications", column)


def downgrade() -> None:
    op.drop_table("publications")
    op.drop_table("cosignatures")
    op.drop_table("witness_sizes")
    op.drop_table("witnesses")
    op.drop_index(op.f("ix_logs_grown_at"), table_name="logs")
    op.drop_column("logs", "grown_at")
