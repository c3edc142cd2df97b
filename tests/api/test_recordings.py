"""Parts of recordings over HTTP: kept once, whole and sealed; nothing lost, nothing overwritten."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256, sha512
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from app.actions import doctor
from app.actions.orphans import sweep
from app.actions.recordings import NewPart, add_part, read_part, retain
from app.domain.errors import Refused
from app.storage import tables
from tests.actions.watching import row_of
from tests.actions.worlds import AUDITOR, HEAD, World
from tests.api.conftest import ACCESS, Api, events
from tests.api.test_sessions import SESSIONS, gateway, opened

__all__ = ["gateway"]  # the fixture
MIB = 1 << 20


async def put(calls: Api, headers: dict[str, str], session: str, n: int, body: bytes, **more: str) -> httpx2.Response:
    """Send a part."""
    cast = {"Content-Type": "application/x-asciicast"} | {name.replace("_", "-"): value for name, value in more.items()}
    return await calls.http.put(f"{SESSIONS}/{session}/recording/{n}", content=body, headers=headers | cast)


def objects(world: World) -> list[Path]:
    """The files of the store."""
    return [path for path in (world.directory / "objects").rglob("*") if path.is_file()]


def digest(body: bytes) -> str:
    """The `Content-Digest` of a body."""
    return f"sha-256=:{base64.b64encode(sha256(body).digest()).decode()}:"


async def test_a_part_is_kept_once_and_never_changed(calls: Api, gateway: dict[str, str]) -> None:
    session = (await opened(calls, gateway))["id"]
    body = b'[1.0, "o", "ls of a folder"]\n' * 1000
    first = await put(calls, gateway, session, 1, body, Content_Digest=digest(body))
    told = {"sha256": sha256(body).hexdigest(), "bytes": len(body)}
    assert (first.status_code, first.json()) == (201, told)
    again = await put(calls, gateway, session, 1, body)
    assert (again.status_code, again.json()) == (200, told)
    other = await put(calls, gateway, session, 1, body + b"x")
    assert (other.status_code, other.json()["type"]) == (409, "http://countersign.test/problems/part-differs")
    (kept,) = objects(calls.world)
    assert b"folder" not in kept.read_bytes()
    assert await events(calls, "session.part_added") == [
        {"n": 1, "bytes": len(body), "content_type": "application/x-asciicast", "digest": f"sha256:{told['sha256']}"}
    ]
    await calls.http.post(f"{SESSIONS}/{session}/end", json={"summary": "Done."}, headers=gateway)
    assert (await put(calls, gateway, session, 2, b"the rest")).status_code == 201
    calls.world.skip(timedelta(minutes=5))


async def test_wrong_digests_leave_nothing(calls: Api, gateway: dict[str, str]) -> None:
    session, body = (await opened(calls, gateway))["id"], b"x" * (9 * MIB)
    right, wrong = digest(body), digest(b"y")
    both = f"{right}, sha-512=:{base64.b64encode(sha512(b'y').digest()).decode()}:"
    twice, unknown = (f"{wrong}, {right}", f"{right},{wrong}"), ("md5=:AAAA:", "", f"{right},")
    for header in (wrong, both, *twice, *unknown, "sha-256=abc", "sha-256=:*:", "sha-256"):
        answer = await put(calls, gateway, session, 1, body, Content_Digest=header)
        assert (answer.status_code, answer.json()["title"]) == (400, "The bytes are not those that were announced")
    path, lines = f"{SESSIONS}/{session}/recording/1", [("Content-Digest", right), ("Content-Digest", wrong)]
    answer = await calls.http.put(path, content=body, headers=[*gateway.items(), *lines])
    assert answer.status_code == 400
    assert "sha-256, sha-512" in (await put(calls, gateway, session, 1, body, Content_Digest="md5=:AAAA:")).text
    assert objects(calls.world) == []
    assert (await put(calls, gateway, session, 1, body, Content_Digest=f"{right}, md5=:AAAA:")).status_code == 201
    assert (await put(calls, gateway, session, 1, body, Content_Digest=wrong)).status_code == 400


async def test_only_parts_of_a_size_and_a_number_are_taken(calls: Api, gateway: dict[str, str]) -> None:
    session = (await opened(calls, gateway))["id"]

    async def large() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * MIB
        yield b"x"

    path = f"{SESSIONS}/{session}/recording"
    answers = [
        await put(calls, gateway, session, 0, b"x"),
        await put(calls, gateway, session, 1, b""),
        await calls.http.put(f"{path}/one", content=b"x", headers=gateway),
        await calls.http.put(f"{path}/1", content=large(), headers=gateway),
        await put(calls, gateway, session, 1, b"x", Content_Type="nonsense"),
        await put(calls, gateway, "ses_none", 1, b"x"),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 413, 415, 404]
    assert objects(calls.world) == []
    announced = await put(calls, gateway, session, 1, b"x" * (65 * MIB))
    for answer in (answers[3], announced):
        assert (answer.status_code, answer.json()["title"]) == (413, "The body is too large")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_part_sent_twice_at_once_is_kept_once(calls: Api, gateway: dict[str, str]) -> None:
    session = (await opened(calls, gateway))["id"]
    answers = await asyncio.gather(*(put(calls, gateway, session, 1, body) for body in [b"a" * MIB] * 3 + [b"b" * MIB]))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses in ([200, 200, 201, 409], [201, 409, 409, 409])
    assert len(objects(calls.world)) == 1
    assert len(await events(calls, "session.part_added")) == 1


async def test_an_upload_that_broke_off_is_sent_again(calls: Api, gateway: dict[str, str]) -> None:
    session = (await opened(calls, gateway))["id"]
    client = (await row_of(calls.world, session)).client

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (6 * MIB)
        raise ConnectionError("the line is dead")

    with pytest.raises(ConnectionError):
        await add_part(calls.world.services, session, client, NewPart(1, "text/plain", {}, broken()))
    assert objects(calls.world) == []
    assert (await put(calls, gateway, session, 1, b"x" * (7 * MIB))).status_code == 201
    assert len(objects(calls.world)) == 1


async def test_what_a_killed_upload_left_is_swept_after_a_day_and_nothing_else(
    calls: Api, gateway: dict[str, str]
) -> None:
    world, session = calls.world, (await opened(calls, gateway))["id"]
    for n in (1, 2):
        assert (await put(calls, gateway, session, n, b"part %d" % n)).status_code == 201
    kept = objects(world)
    folder = kept[0].parent
    for name in (f"0000003-{'a' * 32}", f"0000001-{'b' * 32}", f"0000004-{'c' * 32}#1"):
        (folder / name).write_bytes(b"half of it")
    other = world.directory / "objects" / "ANOTHER_SERVICE" / "ses_1" / "1"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"not ours")
    assert await sweep(world.services) == 0  # too young: its row may be about to be committed
    for path in objects(world):
        os.utime(path, (0, 0))
    async with world.services.database.begin() as tx:  # the trail tells of part 2, whose row is gone
        await tx.connection.execute(sa.delete(tables.session_parts).where(tables.session_parts.c.n == 2))
    assert await sweep(world.services) == 3
    assert sorted(objects(world)) == sorted([*kept, other])
    assert await sweep(world.services) == 0
    found = {each.words for each in await doctor.examine(world.services)}
    assert f"part 2 of {session} is not the one that the trail tells of" in found
    assert (await put(calls, gateway, session, 3, b"again")).status_code == 201


async def test_a_store_that_is_down_is_a_503_and_loses_nothing(calls: Api, gateway: dict[str, str]) -> None:
    session = (await opened(calls, gateway))["id"]
    folder = calls.world.directory / "objects"
    folder.write_text("in the way")
    answer = await put(calls, gateway, session, 1, b"x" * MIB)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert await events(calls, "session.part_added") == []
    folder.unlink()
    assert (await put(calls, gateway, session, 1, b"x" * MIB)).status_code == 201


async def test_coverage_tells_what_parts_cover_and_who_stops_recording_is_ended(
    calls: Api, gateway: dict[str, str]
) -> None:
    session = (await opened(calls, gateway))["id"]
    beat = {"events": [{"at": "2026-11-22T10:00:00Z", "kind": "heartbeat", "summary": ""}]}
    for n in range(1, 6):
        calls.world.skip(timedelta(seconds=30))
        assert (await calls.http.post(f"{SESSIONS}/{session}/activity", json=beat, headers=gateway)).json()["continue"]
        if n in {1, 2}:
            assert (await put(calls, gateway, session, n, b"x")).status_code == 201
    calls.world.skip(timedelta(seconds=45))
    told = await calls.http.post(f"{SESSIONS}/{session}/activity", json=beat, headers=gateway)
    assert told.json() == {"continue": False, "because": "not-recorded"}
    shown = (await calls.http.get(f"{SESSIONS}/{session}", headers=gateway)).json()
    coverage = shown["coverage"]
    assert (shown["state"], shown["ended_because"]) == ("terminated", "not-recorded")
    assert (coverage["seconds"], coverage["recorded_seconds"]) == (195, 60)
    assert (coverage["supplied_by"], [gap["to"] for gap in coverage["gaps"]]) == ("gateway", [shown["ended_at"]])


async def test_reading_a_part_is_for_approvers_and_auditors_and_is_an_event_first(
    calls: Api, gateway: dict[str, str]
) -> None:
    world = calls.world
    await world.enrol()
    filed = await calls.file(environment="alma-production")
    await world.approve(HEAD, filed["id"])
    minted = (await calls.http.post(f"{ACCESS}/{filed['id']}/token")).json()["access_token"]
    headers = {
        "Authorization": await calls.client("alma", ["sessions"], ["*"], ["https://gateway.vendor.example/exu-alma"])
    }
    body = {"token": minted, "client": {"ip": "198.51.100.24"}}
    session = (await calls.http.post(SESSIONS, json=body, headers=headers)).json()["id"]
    cast = b"x" * 200_000
    assert (await put(calls, headers, session, 1, cast)).status_code == 201
    for who in (HEAD, AUDITOR):
        read = await read_part(world.services, await world.sign_in(who), session, 1)
        got = b"".join([piece async for piece in read.pieces])
        assert (len(got), sha256(got).hexdigest()) == (len(cast), sha256(cast).hexdigest())
        assert read.content_type == "application/x-asciicast"
    assert await events(calls, "recording.read") == [{"n": 1}, {"n": 1}]
    with pytest.raises(Refused, match="not-found"):
        await read_part(world.services, await world.visitor(HEAD), session, 2)
    await calls.http.post(f"{SESSIONS}/{session}/end", json={"summary": "Done."}, headers=headers)
    world.skip(timedelta(days=89))
    assert await retain(world.services) == 0
    world.skip(timedelta(days=2))
    assert await retain(world.services) == 1
    assert await retain(world.services) == 0
    assert objects(world) == []
    with pytest.raises(Refused, match="recording-erased"):
        await read_part(world.services, await world.sign_in(HEAD), session, 1)
    report = await world.verify(await world.bundle())
    assert (report.findings, report.missing, report.exit_code) == ((), (), 0)
    shutil.rmtree(world.directory / "objects")
