"""After a real story one row of the trail is changed by the tables' owner, or one byte of a bundle: it is caught."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from app.actions import decisions, grants
from app.actions.checkpoints import verifier_keys
from app.actions.export import export
from app.actions.ledger import write
from app.actions.signin import refused_event
from app.audit.report import Report
from app.audit.verify import verify_bundle
from app.domain.errors import CountersignError
from app.storage import tables
from tests.actions.attacks import behind, rewrite
from tests.actions.worlds import AUDITOR, CODE, HEAD, TLS, WHERE, World
from tests.counts import times

EVERY = {"sqlite": 1, "postgresql": 6}


async def story(world: World) -> str:
    request = (await world.file()).row.id
    await world.deny(HEAD, (await world.file()).row.id)
    await world.approve(HEAD, request, note="Only the nightly job.")
    await grants.mint(world.services, world.caller, request)
    await decisions.revoke(world.services, await world.visitor(HEAD), request, "Enough.")
    return request


class Auditor:
    """Exports and verifies, with what the institution itself would bring."""

    def __init__(self, world: World, anchors: Mapping[str, Any]) -> None:
        self.world, self.anchors, self.path = world, anchors, world.directory / "tampered.zip"

    @classmethod
    async def of(cls, world: World) -> Auditor:
        async with httpx2.AsyncClient(verify=TLS, trust_env=False) as client:
            jwks = (await client.get(f"{world.provider.issuer}/jwks")).json()
        vkeys = await verifier_keys(world.services, CODE)
        return cls(world, {"vkeys": vkeys, "idp_jwks": [jwks], "enrolment": world.codes[CODE]})

    async def export(self, request: str | None) -> Path:
        exported = await export(self.world.services, await self.world.visitor(AUDITOR), CODE, request)
        self.path.write_bytes(b"".join([piece async for piece in exported.pieces]))
        return self.path

    async def judge(self, request: str | None) -> Report | Exception:
        """The verifier's report, or why the export refused."""
        try:
            path = await self.export(request)
        except (CountersignError, ValueError) as error:
            return error
        return verify_bundle(path, **self.anchors)


def flipped(data: bytes, chosen: random.Random) -> bytes:
    place = chosen.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chosen.randrange(8))]) + data[place + 1 :]


async def keys_of(world: World, table: sa.Table) -> list[Mapping[str, Any]]:
    async with world.services.database.read() as tx:
        found = await tx.connection.execute(sa.select(table).where(table.c.log == CODE).order_by(*table.primary_key))
        return [dict(row._mapping) for row in found]


def is_caught(judged: Report | Exception, index: int | None) -> bool:
    """Whether a report finds something; in an entry or its private part, there first."""
    if isinstance(judged, Exception):
        return True
    named = [finding.index for finding in judged.findings if finding.index is not None]
    return judged.exit_code == 1 and (index is None or not named or min(named) == index)


def is_near(judged: Report | Exception, index: int | None) -> bool:
    """Whether the first entry named is the changed one, or beside it.

    A later time shows in the entry after it, another outcome in the vote before.
    """
    named = [] if isinstance(judged, Exception) else [each.index for each in judged.findings if each.index is not None]
    return index is None or not named or abs(min(named) - index) <= 1


async def test_any_row_changed_by_the_owner_is_caught(enrolled: World) -> None:
    world, chosen, missed = enrolled, random.Random(2026), []
    request = await story(world)
    auditor = await Auditor.of(world)
    for table, column in (("leaves", "leaf"), ("private_parts", "part"), ("evidence", "blob"), ("leaves", "leaf_hash")):
        rows = await keys_of(world, tables.metadata.tables[table])
        for row in rows[:: EVERY[world.services.database.dialect]]:
            key = {name: row[name] for name in ("log", "idx", "digest") if name in row}
            await rewrite(world, tables.metadata.tables[table], key, {column: flipped(row[column], chosen)})
            judged = await auditor.judge(request if column == "leaf_hash" else None)
            await rewrite(world, tables.metadata.tables[table], key, {column: row[column]})
            if not is_caught(judged, row.get("idx") if column in {"leaf", "part"} else None):
                missed.append((table, column, row.get("idx") or row.get("digest"), judged))
    assert missed == []
    honest = await auditor.judge(None)
    assert isinstance(honest, Report)
    assert (honest.exit_code, honest.findings) == (0, ())


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_random_tamperings_are_caught_every_one(enrolled: World) -> None:
    """Five hundred in full: in turn a bit of some row, and a bit of a bundle of the whole trail or of one request."""
    world, chosen, missed = enrolled, random.Random(500), []
    request = await story(world)
    auditor = await Auditor.of(world)
    columns = {"leaves": "leaf", "private_parts": "part", "evidence": "blob"}
    rows = [(name, row) for name in columns for row in await keys_of(world, tables.metadata.tables[name])]
    bundles = [(await auditor.export(wanted)).read_bytes() for wanted in (None, request)]
    caught, total = 0, times(60, 500)
    for turn in range(total):
        if turn % 2:
            auditor.path.write_bytes(flipped(chosen.choice(bundles), chosen))
            found = verify_bundle(auditor.path, **auditor.anchors).exit_code in {1, 2}
            where: object = "a bundle"
        else:
            name, row = chosen.choice(rows)
            table, column = tables.metadata.tables[name], columns[name]
            key = {part: row[part] for part in ("log", "idx", "digest") if part in row}
            await rewrite(world, table, key, {column: flipped(row[column], chosen)})
            judged = await auditor.judge(None)
            found = is_caught(judged, None) and is_near(judged, row.get("idx"))
            await rewrite(world, table, key, {column: row[column]})
            where = (name, key, judged)
        caught += found
        if not found:
            missed.append((turn, where))
    assert (missed, caught) == ([], total)
    honest = await auditor.judge(None)
    assert isinstance(honest, Report)
    assert (honest.exit_code, honest.findings) == (0, ())


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_rows_taken_out_added_or_exchanged_are_caught(enrolled: World) -> None:
    world, missed = enrolled, []
    await story(world)
    auditor = await Auditor.of(world)
    table = tables.leaves
    rows = await keys_of(world, table)
    middle, last = rows[len(rows) // 2], rows[-1]
    changes: dict[str, list[sa.Executable]] = {
        "taken out": [sa.delete(table).where(table.c.idx == middle["idx"], table.c.log == CODE)],
        "cut off": [sa.delete(table).where(table.c.idx == last["idx"], table.c.log == CODE)],
        "exchanged": [
            sa.update(table).where(table.c.idx == one["idx"], table.c.log == CODE).values(
                {name: other[name] for name in ("leaf", "leaf_hash", "type", "subject", "request")}
            )
            for one, other in ((middle, last), (last, middle))
        ],
    }  # fmt: skip
    for name, statements in changes.items():
        async with behind(world) as connection:
            for statement in statements:
                await connection.execute(statement)
        judged = await auditor.judge(None)
        if not (isinstance(judged, Exception) or judged.exit_code in {1, 2}):
            missed.append((name, judged))
        async with behind(world) as connection:
            for row in (middle, last):
                await connection.execute(sa.delete(table).where(table.c.idx == row["idx"], table.c.log == CODE))
                await connection.execute(sa.insert(table).values(row))
    assert missed == []
    honest = await auditor.judge(None)
    assert isinstance(honest, Report)
    assert honest.exit_code == 0


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_tile_changed_by_the_owner_is_caught(enrolled: World) -> None:
    world, chosen = enrolled, random.Random(2026)
    request = await story(world)
    async with write(world.services, CODE) as book:
        book.add(*(refused_event(CODE, "id-token-aud", WHERE) for _ in range(300)))
        await book.append()
    auditor = await Auditor.of(world)
    tile = (await keys_of(world, tables.tiles))[0]
    key = {name: tile[name] for name in ("log", "level", "idx")}
    for column in ("hashes", "root"):
        await rewrite(world, tables.tiles, key, {column: flipped(tile[column], chosen)})
        judged = await auditor.judge(request)
        assert isinstance(judged, Exception) or judged.exit_code == 1, column
        await rewrite(world, tables.tiles, key, {column: tile[column]})
    honest = await auditor.judge(request)
    assert isinstance(honest, Report)
    assert honest.exit_code == 0


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_any_byte_of_a_bundle_is_caught(enrolled: World) -> None:
    world, chosen = enrolled, random.Random(2026)
    request = await story(world)
    auditor = await Auditor.of(world)
    for wanted in (None, request):
        honest = (await auditor.export(wanted)).read_bytes()
        assert verify_bundle(auditor.path, **auditor.anchors).exit_code == 0
        places = {*range(0, len(honest), len(honest) // 700), *(chosen.randrange(len(honest)) for _ in range(300))}
        missed = []
        for place in sorted(places):
            changed = bytes([honest[place] ^ (1 << chosen.randrange(8))])
            auditor.path.write_bytes(honest[:place] + changed + honest[place + 1 :])
            if verify_bundle(auditor.path, **auditor.anchors).exit_code not in {1, 2}:
                missed.append(place)
        assert missed == []
