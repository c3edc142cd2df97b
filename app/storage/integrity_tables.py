"""The table of seals: what tells that the fold of an institution's log was written by this service, and is current."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, LargeBinary

from app.storage.trail_tables import Code, Place, metadata

seals = sa.Table(
    "seals",
    metadata,
    Column("log", Code, primary_key=True),
    Column("folded", Place, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)
