"""MACs of environments' gate keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null in rows of before: no gate has their key until `countersign doctor --seal`. The version before knows none.
    op.add_column("environment_secrets", sa.Column("mac", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("environment_secrets", "mac")
