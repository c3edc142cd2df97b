"""The few facts about the service itself that are shared by its replicas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from app.storage import tables
from app.storage.database import Transaction

_TABLE = tables.service_meta


async def read(tx: Transaction, key: str) -> Mapping[str, Any] | None:
    """The JSON object of a key; null for none."""
    found: Mapping[str, Any] | None = (
        await tx.connection.execute(sa.select(_TABLE.c.value).where(_TABLE.c.key == key))
    ).scalar_one_or_none()
    return found


async def write(tx: Transaction, key: str, value: Mapping[str, Any]) -> None:
    """Set the JSON object of a key."""
    statement = tx.insert(_TABLE).values(key=key, value=dict(value))
    await tx.connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": dict(value)}))
