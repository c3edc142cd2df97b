"""What happens once: idempotency keys, evidence, jti, counted refusals."""

from __future__ import annotations

import asyncio

import pytest

from app.domain.errors import Refused
from app.storage import idempotency, objects, refusals, replays
from app.storage.database import Database
from tests.storage.conftest import Urls
from tests.storage.worlds import CLIENT, CODE, at

ANSWER = idempotency.Answer(201, {"location": "/v1/x"}, b'{"id":1}')


async def _reserve(database: Database, fingerprint: bytes = b"f", second: int = 0) -> idempotency.Answer | None:
    async with database.begin() as tx:
        return await idempotency.reserve(tx, CLIENT.id, "key", fingerprint, at(second), at(second + 86_400))


async def test_second_transaction_with_the_same_key_waits_and_sees_the_kept_answer(database: Database) -> None:
    async with database.begin() as tx:
        assert await idempotency.reserve(tx, CLIENT.id, "key", b"f", at(), at(86_400)) is None
        second = asyncio.create_task(_reserve(database))
        await asyncio.wait([second], timeout=0.2)
        assert not second.done()
        await idempotency.keep(tx, CLIENT.id, "key", ANSWER)
    assert await second == ANSWER


async def test_key_of_a_transaction_that_rolled_back_is_free(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.begin() as tx:
            assert await idempotency.reserve(tx, CLIENT.id, "key", b"f", at(), at(9)) is None
            raise ZeroDivisionError
    assert await _reserve(database) is None


async def test_same_key_for_another_request_is_a_mismatch(database: Database) -> None:
    await _reserve(database)
    with pytest.raises(Refused) as refused:
        await _reserve(database, b"other")
    assert refused.value.refusal.problem == "idempotency-mismatch"


async def test_key_past_its_day_is_free_again(database: Database) -> None:
    async with database.begin() as tx:
        await idempotency.reserve(tx, CLIENT.id, "key", b"f", at(), at(86_400))
        await idempotency.keep(tx, CLIENT.id, "key", ANSWER)
    assert await _reserve(database, second=86_399) == ANSWER
    assert await _reserve(database, b"other", second=86_400) is None
    async with database.begin() as tx:
        assert await idempotency.sweep(tx, at(999_999)) == 1


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_key_whose_request_still_runs_is_in_progress(
    urls: Urls, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.database._TIMEOUTS", {"lock_timeout": "50ms"})
    impatient = Database(urls.app)
    async with database.begin() as tx:
        await idempotency.reserve(tx, CLIENT.id, "key", b"f", at(), at(9))
        with pytest.raises(Refused) as refused:
            await _reserve(impatient)
    await impatient.close()
    assert refused.value.refusal.problem == "idempotency-in-progress"


async def test_evidence_of_a_digest_is_stored_once_in_each_log(database: Database) -> None:
    row = objects.EvidenceRow(CODE, "sha256:" + "a" * 64, b"one")

    async def put(row: objects.EvidenceRow) -> bool:
        async with database.begin() as tx:
            return await objects.put(tx, row)

    assert sum(await asyncio.gather(*(put(row) for _ in range(4)))) == 1
    assert await put(objects.EvidenceRow("OTHER", row.digest, b"one"))
    async with database.read() as tx:
        assert await objects.read(tx, CODE, row.digest) == b"one"
        assert await objects.read(tx, CODE, "sha256:none") is None
        assert await objects.read_many(tx, CODE, [row.digest, "sha256:none"]) == {row.digest: b"one"}


async def test_jti_is_taken_once_in_its_scope(database: Database) -> None:
    async def once(scope: str) -> bool:
        async with database.begin() as tx:
            return await replays.once(tx, replays.ReplayRow(scope, "jti", at(60)))

    assert sum(await asyncio.gather(*(once("a") for _ in range(4)))) == 1
    assert await once("b")
    async with database.begin() as tx:
        assert await replays.sweep(tx, at(60)) == 2


async def test_first_refusal_of_a_minute_is_told_at_once_and_later_ones_at_its_end(database: Database) -> None:
    async def note(key: str, second: int) -> bool:
        async with database.begin() as tx:
            return await refusals.note(tx, CODE, key, {"type": "request.refused", "key": key}, at(second))

    async def collect(second: int) -> list[tuple[str, int]]:
        async with database.begin() as tx:
            return [(row.key, row.later) for row in await refusals.collect(tx, CODE, at(second))]

    assert [await note("a", second) for second in (0, 1, 2)] == [True, False, False]
    assert await note("b", 3)
    assert await collect(59) == []
    assert await note("a", 60)
    async with database.read() as tx:
        assert await refusals.waiting(tx, at(60)) == (CODE,)
    assert await collect(60) == [("a", 2)]
    assert await collect(60) == []
