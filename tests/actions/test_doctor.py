"""The doctor agrees with an honest service, and names each row that was changed behind its back."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from app.actions.doctor import Tree, examine
from app.storage import tables
from app.storage.database import Database
from app.trail.hashing import leaf_hash
from app.trail.log import Log
from app.trail.memory import MemoryStore
from tests.actions.worlds import CODE, HEAD, LIBRARIAN, World


@pytest.fixture
async def used(enrolled: World) -> World:
    """Requests approved, denied and waiting."""
    await enrolled.approve(HEAD, (await enrolled.file()).row.id)
    await enrolled.deny(LIBRARIAN, (await enrolled.file()).row.id)
    await enrolled.file()
    return enrolled


async def found(world: World) -> list[str]:
    return [f"{each.log}: {each.words}" for each in await examine(world.services)]


async def test_an_honest_service_agrees_with_its_trails(used: World) -> None:
    seen: list[tuple[int, int]] = []
    assert await examine(used.services, lambda done, total: seen.append((done, total))) == []
    assert seen[-1][0] == seen[-1][1] > 0


_STATE = json.dumps({"status": "approved"})
TAMPERINGS: Sequence[tuple[sa.Update | sa.Delete, str]] = (
    (sa.update(tables.institutions).where(tables.institutions.c.code == CODE).values(name="Another"), "name"),
    (sa.update(tables.institutions).where(tables.institutions.c.code == CODE).values(enrolled=False), "is enrolled"),
    (sa.update(tables.institutions).where(tables.institutions.c.code == CODE).values(state={}), "policy is not as"),
    (sa.update(tables.institutions).where(tables.institutions.c.code == "VENDOR").values(state={}), "the vendor's row"),
    (
        sa.update(tables.roster).where(tables.roster.c.email == HEAD).values(email="else@example.edu"),
        "the roster's row",
    ),
    (sa.update(tables.roster).where(tables.roster.c.email == HEAD).values(sub="else"), "bound to another account"),
    (sa.delete(tables.roster).where(tables.roster.c.email == LIBRARIAN), "stands in the trail alone"),
    (sa.update(tables.requests).values(status="approved"), "is not as the trail tells it"),
    (sa.delete(tables.requests), "stands in the trail alone"),
    (sa.update(tables.grants).values(engineer_id="e9"), "the grant of"),
    (sa.delete(tables.grants), "the grant of"),
    (sa.update(tables.clients).values(disabled=True), "is not as its entries tell it"),
    (sa.delete(tables.clients), "stands in the log alone"),
    (
        sa.update(tables.logs).where(tables.logs.c.log == CODE).values(size=tables.logs.c.size - 1),
        "the log cannot be read",
    ),
    (sa.update(tables.logs).where(tables.logs.c.log == CODE).values(size=0, edge=()), "the head does not count"),
    (sa.update(tables.logs).where(tables.logs.c.log == CODE).values(size=1, edge=(bytes(32),)), "with another root"),
)


@pytest.mark.parametrize("statement, wanted", TAMPERINGS, ids=[f"{at}-{each[1]}" for at, each in enumerate(TAMPERINGS)])
async def test_a_row_changed_behind_its_back_is_named(
    used: World, statement: sa.Update | sa.Delete, wanted: str
) -> None:
    owners = Database(used.owner_url or used.url)
    async with owners.begin() as tx:
        await tx.connection.execute(statement)
    await owners.close()
    differences = await found(used)
    assert any(wanted in each for each in differences), differences


@pytest.mark.parametrize("index", [-1, 9_999])
async def test_an_entry_outside_what_the_head_counts_is_named(used: World, index: int) -> None:
    owners = Database(used.owner_url or used.url)
    columns = [column for column in tables.leaves.c if column.name != "idx"]
    copied = sa.select(sa.literal(index), *columns).where(tables.leaves.c.log == CODE, tables.leaves.c.idx == 0)
    async with owners.begin() as tx:
        names = ["idx", *(column.name for column in columns)]
        await tx.connection.execute(sa.insert(tables.leaves).from_select(names, copied))
    await owners.close()
    assert [(each.log, each.index) for each in await examine(used.services)] == [(CODE, index)]


async def test_every_full_row_of_a_tree_is_what_the_log_stores() -> None:
    store, tree = MemoryStore(), Tree()
    leaves = [b"%d" % number for number in range(70_000)]
    await Log(store).append(leaves)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    rows = {
        (row.level, row.index): row for start in range(0, 70_000, 500) for row in tree.add(hashes[start : start + 500])
    }
    assert rows == store.rows
    assert tree.edge == await store.edge()
    assert [len(each) for each in tree.open] == [112, 17, 1]
