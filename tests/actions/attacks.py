"""What an attacker has who stands behind the service: its tables, as their owner, with the triggers taken off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.events import Entry
from app.storage import entries, tables
from app.storage.migrate import migration_engine
from tests.actions.worlds import CODE, World

TRAIL = ("leaves", "private_parts", "evidence", "tiles")


@asynccontextmanager
async def behind(world: World) -> AsyncIterator[AsyncConnection]:
    """A connection of the tables' owner, with no trigger in its way; committed at the end, triggers and all."""
    engine = migration_engine(world.owner_url or world.url)
    try:
        async with engine.begin() as connection:
            triggers = await _take_off(connection, sqlite=world.owner_url is None)
            yield connection
            for statement in triggers:
                await connection.execute(sa.text(statement))
    finally:
        await engine.dispose()


async def _take_off(connection: AsyncConnection, *, sqlite: bool) -> list[str]:
    """Take every trigger off the trail; the statements that put them back."""
    if not sqlite:
        for table in TRAIL:
            await connection.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        return [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in TRAIL]
    found = await connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    triggers = [(str(name), str(statement)) for name, statement in found]
    for name, _ in triggers:
        await connection.execute(sa.text(f"DROP TRIGGER {name}"))
    return [statement for _, statement in triggers]


async def rewrite(world: World, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Change one row of a table."""
    async with behind(world) as connection:
        row = sa.and_(*(table.c[name] == value for name, value in key.items()))
        result = await connection.execute(sa.update(table).where(row).values(**values))
        assert result.rowcount == 1


async def read_row(world: World, table: sa.Table, key: Mapping[str, Any]) -> dict[str, Any]:
    """One row of a table."""
    async with world.services.database.read() as tx:
        row = sa.and_(*(table.c[name] == value for name, value in key.items()))
        return dict((await tx.connection.execute(sa.select(table).where(row))).one()._mapping)


async def trail(world: World, start: int = 0) -> list[Entry]:
    """The institution's entries from an index."""
    async with world.services.database.read() as tx:
        return [each.entry for each in await entries.read_leaves(tx, CODE, start, 1 << 31)]


# What a refusal may change: the trail grows, the journey is over, the draft may be used up.
_PASSING = {"attempts", "leaves", "private_parts", "logs", "sign_in_flows", "refusals", "drafts", "web_sessions"}
"""What a sign-in that is begun leaves behind without anything of it counting."""


@dataclass(frozen=True)
class Watch:
    """Every table as it was, to say what an attempt left behind."""

    world: World
    size: int
    rows: Mapping[str, list[tuple[Any, ...]]]

    @classmethod
    async def begin(cls, world: World) -> Watch:
        """Remember everything."""
        return cls(world, len(await trail(world)), await _rows(world))

    async def told(self) -> list[Entry]:
        """The entries since; nothing else that counts may have changed, and no trail row of before."""
        after = await _rows(self.world)
        for table, before in self.rows.items():
            if table in {"leaves", "private_parts"}:
                assert set(before) <= set(after[table]), f"{table}: a row of before is gone"
            elif table == "web_sessions":
                assert len(after[table]) <= len(before), "somebody was signed in"
            elif table not in _PASSING:
                assert after[table] == before, f"{table} was changed"
        return await trail(self.world, self.size)


async def _rows(world: World) -> dict[str, list[tuple[Any, ...]]]:
    async with world.services.database.read() as tx:
        return {
            table.name: sorted(
                map(tuple, await tx.connection.execute(sa.text(f"SELECT * FROM {table.name}"))), key=repr
            )
            for table in tables.metadata.sorted_tables
        }
