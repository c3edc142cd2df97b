"""The synchronous standby is gone: nothing is confirmed that a failover would take back, and nothing hangs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress

import asyncpg
import pytest
import sqlalchemy as sa

from app.domain.errors import Unavailable
from app.storage.database import Database, Transaction
from app.storage.grouped import GroupCommit
from app.storage.hosts import Hosts
from demo.parts import find_free_port
from tests.faults.cluster import Pair, run_pair, without_pair

pytestmark = [pytest.mark.postgres, pytest.mark.slow, without_pair]
ADD = sa.text("INSERT INTO words VALUES (:word)")
COUNT = sa.text("SELECT count(*) FROM words")
SOON_S = 30.0


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One pair for all of these, with a table in which changes are counted."""
    with run_pair() as made:
        made.primary.do("CREATE TABLE words (word text)", "GRANT ALL ON words TO PUBLIC", database=made.name)
        yield made


@pytest.fixture
async def database(pair: Pair) -> AsyncIterator[Database]:
    """The service's way to the pair; the table is empty."""
    made = Database(pair.urls.app)
    async with made.begin() as tx:
        await tx.connection.execute(sa.text("DELETE FROM words"))
    yield made
    await made.close()


async def add(database: Database, word: str) -> None:
    async with database.begin() as tx:
        await tx.connection.execute(ADD, {"word": word})


async def append(tx: Transaction, words: Sequence[str]) -> Sequence[None]:
    for word in words:
        await tx.fetch(ADD, {"word": word})
    return [None] * len(words)


async def until_written(database: Database) -> None:
    """Add one word, as soon as that goes."""
    async with asyncio.timeout(SOON_S):
        while True:
            with suppress(Unavailable):
                await add(database, "after")
                break
            await asyncio.sleep(0.05)


async def count(database: Database) -> int:
    async with database.read() as tx:
        return int((await tx.connection.execute(COUNT)).scalar_one())


async def test_changes_wait_unseen_while_the_standby_is_gone_and_reads_go_on(
    pair: Pair, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.late.COMMIT_S", 0.5)
    await asyncio.to_thread(pair.standby.stop)
    writes = [add(database, f"word {n}") for n in range(10)]  # as many as the pool has connections
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers), answers
    at_once = GroupCommit(database, append, at_once=True)
    with pytest.raises(Unavailable, match="confirms no changes"):
        await at_once.put("at once")
    with pytest.raises(Unavailable, match="confirms no changes"):
        await add(database, "one more")  # and at once: nothing was begun
    assert await asyncio.gather(*(count(database) for _ in range(10))) == [0] * 10
    await asyncio.to_thread(pair.standby.start)
    await asyncio.to_thread(pair.require)
    await until_written(database)
    assert await count(database) == 11


async def test_what_commits_by_itself_waits_unseen_too(
    pair: Pair, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.late.COMMIT_S", 0.5)
    monkeypatch.setattr("app.storage.late.FIRST_PAUSE_S", 0.5)
    at_once = GroupCommit(database, append, at_once=True)
    await at_once.put("before")
    await asyncio.to_thread(pair.standby.stop)
    with pytest.raises(Unavailable):
        await at_once.put("in doubt")
    assert await count(database) == 1
    await asyncio.to_thread(pair.standby.start)
    await asyncio.to_thread(pair.require)
    await until_written(database)
    await at_once.put("at once")
    assert await count(database) == 4


async def test_a_server_that_is_gone_for_good_keeps_nobody_from_writing_to_the_next(
    pair: Pair, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.late.COMMIT_S", 0.5)
    await asyncio.to_thread(pair.standby.stop)
    with pytest.raises(Unavailable):
        await add(database, "in doubt")
    await asyncio.to_thread(pair.primary.kill)
    await asyncio.to_thread(pair.standby.start)
    await asyncio.to_thread(pair.promote)
    await until_written(database)
    assert await count(database) == 1  # what was in doubt was never confirmed, and is not there
    await asyncio.to_thread(pair.follow)


async def test_what_a_driver_cancels_everybody_sees(pair: Pair, database: Database) -> None:
    """Why commits are left to wait: the same with an ordinary connection."""
    url = f"{pair.primary.admin_url.rpartition('/')[0]}/{pair.name}"
    await asyncio.to_thread(pair.standby.stop)
    connection = await asyncpg.connect(url, command_timeout=0.5)
    with pytest.raises(TimeoutError):
        async with connection.transaction():
            await connection.execute("INSERT INTO words VALUES ('cancelled')")
    await connection.close()
    async with asyncio.timeout(SOON_S):
        while await count(database) != 1:  # noqa: ASYNC110 -- nobody tells when the server has cancelled it
            await asyncio.sleep(0.02)
    await asyncio.to_thread(pair.standby.start)
    await asyncio.to_thread(pair.require)


async def test_a_host_that_says_nothing_keeps_nobody_waiting(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, and nobody answers it
        user, _, rest = pair.urls.app.partition("@")
        address = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{find_free_port()}"
        database = Database(f"{user}@{address},{rest}")
        assert await count(database) >= 0
        await database.close()


async def test_a_primary_of_the_past_is_never_gone_back_to(pair: Pair) -> None:
    hosts, old = Hosts(), pair.primary
    ports = [member.port for member in pair.members]
    given = {"user": pair.roles.app, "password": "test", "database": pair.name, "timeout": 5}
    before = await hosts.connect(host=["127.0.0.1"] * 2, port=ports, **given)
    await asyncio.to_thread(pair.promote)  # and nobody stops the old one
    await (await hosts.connect(host=["127.0.0.1"], port=[pair.primary.port], **given)).close()
    assert not before.is_closed()
    with pytest.raises(OSError, match="no server takes writes"):
        await hosts.connect(host=["127.0.0.1"], port=[old.port], **given)
    for _ in range(5):
        connection = await hosts.connect(host=["127.0.0.1"] * 2, port=ports, **given)
        assert await connection.fetchval("SHOW port") == str(pair.primary.port)
        await connection.close()
    before.terminate()
