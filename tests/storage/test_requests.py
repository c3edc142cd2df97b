from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from app.domain.ids import new_id
from app.storage import drafts, grants, requests
from app.storage.database import Database
from tests.storage.worlds import CLIENT, CODE, at


def row(second: int = 0, log: str = CODE) -> requests.RequestRow:
    request_id = new_id("req", at(second))
    return requests.RequestRow(
        log=log, id=request_id, number=f"2026-{second:04}", short=f"short{second:07}", client=CLIENT.id,
        status="pending", created_index=3, decide_by=at(900), due_at=at(600 + second), environment="alma-production",
        case_number=f"case{second}", engineer_id="e1234", created_at=at(second), updated_at=at(second), version=1,
        state={"id": request_id, "roles": []},
    )  # fmt: skip


async def _add(database: Database, *rows: requests.RequestRow) -> None:
    async with database.begin() as tx:
        for each in rows:
            await requests.add(tx, each)


async def test_request_reads_back_by_id_institution_and_short(database: Database) -> None:
    made = row()
    await _add(database, made)
    async with database.read() as tx:
        assert await requests.read(tx, made.id) == made
        assert await requests.read(tx, made.id, CODE) == made
        assert await requests.read(tx, made.id, "OTHER") is None
        assert await requests.of_short(tx, made.short) == made
        assert await requests.of_short(tx, "unknown") is None


async def test_of_many_writers_that_read_the_same_version_one_wins(database: Database) -> None:
    made = row()
    await _add(database, made)

    async def change(n: int) -> bool:
        async with database.begin() as tx:
            return await requests.save(tx, replace(made, status="denied", state={"n": n})) is not None

    won = await asyncio.gather(*(change(n) for n in range(8)))
    assert sum(won) == 1
    async with database.read() as tx:
        kept = await requests.read(tx, made.id)
    assert kept is not None
    assert (kept.version, kept.state) == (2, {"n": won.index(True)})


async def test_numbers_count_by_institution_and_year_without_gap_or_twin(database: Database) -> None:
    async def number(log: str, year: int) -> str:
        async with database.begin() as tx:
            return await requests.next_number(tx, log, year)

    numbers = await asyncio.gather(*(number(CODE, 2026) for _ in range(12)))
    assert sorted(numbers) == [f"2026-{n:04}" for n in range(1, 13)]
    assert await number(CODE, 2027) == "2027-0001"
    assert await number("OTHER", 2026) == "2026-0001"


async def test_list_is_newest_first_by_page_and_by_filter(database: Database) -> None:
    rows = [row(second) for second in range(5)]
    await _add(database, *rows, row(9, "OTHER"))
    newest = rows[::-1]
    mine = requests.Filter((CODE,))
    async with database.read() as tx:
        page = await requests.find(tx, mine, 2)
        assert page == newest[:2]
        assert await requests.find(tx, mine, 9, before=page[-1].id) == newest[2:]
        assert await requests.find(tx, replace(mine, case_number="case3"), 9) == [rows[3]]
        assert await requests.find(tx, replace(mine, created_after=at(1), created_before=at(4)), 9) == newest[1:3]
        assert await requests.find(tx, replace(mine, statuses=("approved",)), 9) == []
        assert await requests.find(tx, replace(mine, engineer_id="e9"), 9) == []
        assert await requests.find(tx, requests.Filter(()), 9) == []
        assert len(await requests.find(tx, requests.Filter(None), 9)) == 6
        assert await requests.created_since(tx, CODE, at(2)) == 2
        assert await requests.unfinished(tx, CODE, "alma-production") == rows


async def test_clock_work_that_is_due_comes_longest_overdue_first(database: Database) -> None:
    rows = [row(second) for second in range(3)]
    await _add(database, *rows, replace(row(4), due_at=None))
    async with database.read() as tx:
        assert await requests.due(tx, at(601), 9) == [(CODE, rows[0].id), (CODE, rows[1].id)]
        assert await requests.due(tx, at(999), 9, ["OTHER"]) == []


def _grant(request: str) -> grants.GrantRow:
    return grants.GrantRow(
        CODE,
        new_id("grt", at()),
        request,
        "alma-production",
        "exl_impl",
        "e1234",
        at(0),
        at(60),
        ("Role",),
        None,
        None,
        b"m",
    )


def _token(grant: grants.GrantRow, jti: str) -> grants.TokenRow:
    return grants.TokenRow(
        CODE, jti, grant.id, grant.request, CLIENT.id, "https://gw", "sha256:0", None, 1, 1, 61, None, b"m"
    )


async def test_group_of_tokens_is_read_at_once_with_their_grants(database: Database) -> None:
    one, two = _grant(row(1).id), _grant(row(2).id)
    async with database.begin() as tx:
        for grant, jti in ((one, "a"), (two, "b")):
            await grants.add(tx, grant)
            await grants.add_token(tx, _token(grant, jti))
        await grants.save(tx, replace(two, ended_at=at(5), ended_because="approver"))
        await grants.save_token(tx, replace(_token(one, "a"), revoked_at=at(6)))
    async with database.read() as tx:
        found = await grants.read_tokens(tx, ["a", "b", "unknown"])
        assert await grants.of_request(tx, CODE, one.request) == one
        assert await grants.tokens_of(tx, CODE, two.id) == [_token(two, "b")]
    assert found["a"] == (replace(_token(one, "a"), revoked_at=at(6)), one)
    assert found["b"][1].ended_because == "approver"
    assert set(found) == {"a", "b"}


@pytest.mark.parametrize("racers", [2, 6])
async def test_draft_is_used_once(database: Database, racers: int) -> None:
    draft = drafts.DraftRow(
        CODE, new_id("dft", at()), "decision", row().id, new_id("per", at()), b"s", b"{}", {"verdict": "approve"}, at()
    )
    async with database.begin() as tx:
        await drafts.add(tx, draft)

    async def use() -> bool:
        async with database.begin() as tx:
            return await drafts.use(tx, CODE, draft.id, at(9))

    assert sum(await asyncio.gather(*(use() for _ in range(racers)))) == 1
    async with database.begin() as tx:
        assert await drafts.read(tx, CODE, draft.id) == replace(draft, used_at=at(9))
        assert await drafts.sweep(tx, at(1)) == 1
        assert await drafts.read(tx, CODE, draft.id) is None
