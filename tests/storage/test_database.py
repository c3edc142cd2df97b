from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.domain.errors import Unavailable
from app.storage import service_meta
from app.storage.database import Database, driver_url
from tests.fixtures.postgres import PostgresServer
from tests.storage.conftest import Urls
from tests.storage.worlds import at


async def _value(database: Database) -> object:
    async with database.read() as tx:
        return await service_meta.read(tx, "word")


async def test_block_that_ends_well_is_committed(database: Database) -> None:
    async with database.begin() as tx:
        await service_meta.write(tx, "word", {"n": 1})
    assert await _value(database) == {"n": 1}


async def test_block_that_raises_is_rolled_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.begin() as tx:
            await service_meta.write(tx, "word", {"n": 1})
            raise ZeroDivisionError
    assert await _value(database) is None


async def test_block_that_is_cancelled_is_rolled_back_and_leaves_its_connection_usable(
    urls: Urls, database: Database
) -> None:
    written = asyncio.Event()

    async def write() -> None:
        async with database.begin() as tx:
            await service_meta.write(tx, "word", {"n": 1})
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _value(database) is None
    async with database.begin() as tx:
        await service_meta.write(tx, "word", {"n": 2})
    assert await _value(database) == {"n": 2}


async def test_nothing_is_seen_before_the_commit_and_a_snapshot_stays_what_it_was(database: Database) -> None:
    async with database.read() as before:
        assert await service_meta.read(before, "word") is None
        async with database.begin() as tx:
            await service_meta.write(tx, "word", {"n": 1})
            assert await _value(database) is None
        assert await service_meta.read(before, "word") is None
    assert await _value(database) == {"n": 1}


async def test_exhausted_pool_is_unavailable(urls: Urls, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.storage.database.WAIT_SECONDS", 1)
    small = Database(urls.app, pool_size=1)
    async with small.read():
        with pytest.raises(Unavailable, match="in use"):
            async with small.read():
                pass
    await small.close()


async def test_lock_held_too_long_by_another_process_is_unavailable(
    urls: Urls, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.database.WAIT_SECONDS", 0.05)
    monkeypatch.setattr("app.storage.database._TIMEOUTS", {"lock_timeout": "50ms"})
    impatient = Database(urls.app)
    async with database.begin() as tx:
        await service_meta.write(tx, "word", {"n": 1})
        with pytest.raises(Unavailable):
            async with impatient.begin() as other:
                await service_meta.write(other, "word", {"n": 2})
    await impatient.close()
    assert await _value(database) == {"n": 1}


async def test_writers_that_queue_too_long_in_one_process_are_unavailable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect == "postgresql":
        monkeypatch.setattr(database, "dialect", "sqlite")
    monkeypatch.setattr("app.storage.database.WAIT_SECONDS", 0.02)
    async with database.begin():
        with pytest.raises(Unavailable, match="writers"):
            async with database.begin():
                pass


@pytest.mark.parametrize("url", ["postgresql://app:x@127.0.0.1:1/none", "sqlite:////nowhere/at/all.db"])
async def test_database_that_cannot_be_reached_is_unavailable(url: str) -> None:
    database = Database(url)
    with pytest.raises(Unavailable):
        async with database.begin():
            pass
    await database.close()
    for thread in threading.enumerate():  # aiosqlite's worker tells this loop that it ends
        if "_connection_worker" in thread.name:
            await asyncio.to_thread(thread.join)


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_statement_that_takes_too_long_is_unavailable(urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.storage.database._TIMEOUTS", {"statement_timeout": "20ms"})
    database = Database(urls.app)
    with pytest.raises(Unavailable):
        async with database.begin() as tx:
            await tx.connection.execute(sa.text("SELECT pg_sleep(5)"))
    await database.close()


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_server_that_drops_its_connections_is_unavailable_once_and_then_found_again(
    urls: Urls, database: Database, postgres: PostgresServer
) -> None:
    async with database.read() as one, database.read() as two:
        await service_meta.read(one, "word")
        await service_meta.read(two, "word")
    role = sa.make_url(urls.app).username
    postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
    with pytest.raises(Unavailable):
        await _value(database)
    assert await _value(database) is None


async def test_read_transaction_refuses_to_write_on_postgresql(urls: Urls, database: Database) -> None:
    async with database.read() as tx:
        await service_meta.read(tx, "word")
    if database.dialect == "postgresql":
        with pytest.raises(Unavailable):
            async with database.read() as tx:
                await service_meta.write(tx, "word", {"n": 1})
    assert await _value(database) is None


async def test_injected_clock_wins(urls: Urls, database: Database) -> None:
    other = Database(urls.app, clock=lambda: at(7))
    async with other.read() as tx, database.read() as real:
        assert await tx.now() == at(7)
        assert (await real.now()).tzinfo is not None
    await other.close()


def test_other_databases_are_refused(tmp_path: Path) -> None:
    assert driver_url("postgres://u@h/d").drivername == "postgresql+asyncpg"
    with pytest.raises(ValueError, match="sqlite"):
        driver_url("mysql://u@h/d")
