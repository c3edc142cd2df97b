"""MACs of API clients' rows, and the entry of the vendor's log after which each was written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null in rows of before: they sign nobody in until `countersign doctor --seal`. The version before knows neither.
    op.add_column("clients", sa.Column("folded", sa.BigInteger(), nullable=True))
    op.add_column("clients", sa.Column("mac", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("clients", "mac")
    op.drop_column("clients", "folded")
