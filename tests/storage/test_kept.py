"""Connections that are kept for the next block: never two blocks on one, none after an error, and none for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa

from app.domain.errors import Unavailable
from app.storage import kept
from app.storage.database import Database
from app.storage.kept import MOST, Kept
from tests.storage.conftest import Urls


class Opener:
    """Gives numbers, and keeps which of them are open; an error in a block becomes `Unavailable`."""

    def __init__(self) -> None:
        self.given, self.open = 0, set[int]()

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[int]:
        self.given += 1
        number = self.given
        self.open.add(number)
        try:
            yield number
        except ZeroDivisionError as error:
            raise Unavailable("broken") from error
        finally:
            self.open.remove(number)


async def test_one_block_after_another_has_the_same() -> None:
    opener = Opener()
    kept_ = Kept(opener.enter)
    for _ in range(3):
        async with kept_.use() as number:
            assert number == 1
    assert opener.open == {1}
    await kept_.close()
    assert opener.open == set()


async def test_blocks_at_the_same_time_have_their_own_and_few_stay_open() -> None:
    opener = Opener()
    kept_, go = Kept(opener.enter), asyncio.Event()

    async def use() -> int:
        async with kept_.use() as number:
            await go.wait()
        return number

    users = [asyncio.create_task(use()) for _ in range(MOST + 2)]
    await asyncio.sleep(0)
    go.set()
    assert sorted(await asyncio.gather(*users)) == list(range(1, MOST + 3))
    assert len(opener.open) == MOST
    await kept_.leave()
    assert opener.open == set()
    await kept_.close()


async def test_an_error_closes_its_own_and_those_that_wait_and_is_told_as_the_opener_tells_it() -> None:
    opener = Opener()
    kept_ = Kept(opener.enter)
    async with kept_.use() as first, kept_.use() as second:
        assert (first, second) == (1, 2)
    with pytest.raises(Unavailable):
        async with kept_.use():
            raise ZeroDivisionError
    await kept_.close()
    assert opener.open == set()


async def test_what_nobody_uses_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "LINGER_S", 0.01)
    opener = Opener()
    kept_ = Kept(opener.enter)
    async with kept_.use():
        pass
    async with asyncio.timeout(30):
        while opener.open:  # noqa: ASYNC110 -- a timer of the loop's, which tells nobody
            await asyncio.sleep(0.01)
    await kept_.close()


@pytest.mark.postgres
async def test_a_connection_that_is_kept_never_makes_others_wait(postgres_url: Urls) -> None:
    database = Database(postgres_url.app, pool_size=1)
    for _ in range(2):
        async with database.at_once() as tx:
            assert await tx.fetch(sa.select(sa.literal(1)))
        async with asyncio.timeout(30), database.begin() as tx:
            assert await tx.fetch(sa.select(sa.literal(1)))
    await database.close()
