"""Sessions that are heard of again and again: no index holds what every call changes, and pages leave room for it.

PostgreSQL then writes a new version of the row beside the old one and touches no index. Who is silent is found among
the open sessions, by the partial index on `record_by`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f("ix_sessions_seen_at"), "sessions")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE sessions SET (fillfactor = 50)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE sessions RESET (fillfactor)")
    open_now = sa.text("state = 'open'")
    op.create_index(
        op.f("ix_sessions_seen_at"),
        "sessions",
        ["seen_at"],
        unique=False,
        postgresql_where=open_now,
        sqlite_where=open_now,
    )
