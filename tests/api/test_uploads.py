"""Whatever goes wrong while parts are sent: each part is what was first kept, nothing is lost, nothing overwritten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from app.actions.recordings import NewPart, add_part
from app.storage import recordings
from app.storage.recordings import PartRow
from app.tokens.sealed_stream import open_stream
from tests.actions.watching import row_of
from tests.actions.worlds import CODE
from tests.api.conftest import Api, events
from tests.api.test_recordings import digest, objects, put
from tests.api.test_sessions import gateway, opened
from tests.counts import times

__all__ = ["gateway"]  # the fixture
STEPS = times(60, 600)


@dataclass
class Sender:
    """A gateway on a bad line, and what it knows to be kept."""

    calls: Api
    headers: dict[str, str]
    session: str
    client: str | None
    folder: Path
    kept: dict[int, bytes] = field(default_factory=dict)

    async def once(self, n: int, body: bytes) -> int:
        answer = await put(self.calls, self.headers, self.session, n, body, Content_Digest=digest(body))
        return answer.status_code

    async def send(self, n: int, body: bytes) -> None:
        """Kept if it is the first of its number; else refused, unless it is the same."""
        assert await self.once(n, body) == (201 if n not in self.kept else 200 if body == self.kept[n] else 409)
        self.kept.setdefault(n, body)

    async def again(self, n: int, body: bytes) -> None:
        """What is kept is sent once more."""
        await self.send(n, self.kept.get(n, body))

    async def wrong(self, n: int, body: bytes) -> None:
        """Other bytes than those announced."""
        announced = digest(body + b"x")
        answer = await put(self.calls, self.headers, self.session, n, body, Content_Digest=announced)
        assert answer.status_code == 400

    async def cut(self, n: int, body: bytes) -> None:
        """The line breaks in the middle, and what was not kept yet is sent again from the start."""

        async def broken() -> AsyncIterator[bytes]:
            yield body
            raise ConnectionError("the line is dead")

        with pytest.raises(ConnectionError):
            await add_part(self.calls.world.services, self.session, self.client, NewPart(n, "a/b", {}, broken()))
        await self.again(n, body)

    async def down(self, n: int, body: bytes) -> None:
        """The store cannot be written to."""
        away = self.folder.with_name("elsewhere")
        self.folder.mkdir(exist_ok=True)
        self.folder.rename(away)
        self.folder.write_text("in the way")
        assert await self.once(n, body) == (503 if n not in self.kept else 200 if body == self.kept[n] else 409)
        self.folder.unlink()
        away.rename(self.folder)

    async def at_once(self, n: int, body: bytes) -> None:
        """Three uploads of one part at a time, one of them with other bytes."""
        bodies = (body, body + b"y", body)
        answers = await asyncio.gather(*(self.once(n, each) for each in bodies))
        assert answers.count(201) == (n not in self.kept)
        if n not in self.kept:
            self.kept[n] = bodies[answers.index(201)]
        assert [answer in {200, 201} for answer in answers] == [each == self.kept[n] for each in bodies]


async def read(calls: Api, row: PartRow) -> bytes:
    """The bytes of a part, out of the store."""
    services = calls.world.services
    async with services.database.read() as tx:
        wrapped = await recordings.key_of(tx, row.log)
    sealed = await services.objects.get(row.object)
    assert wrapped is not None
    assert sealed is not None
    key = services.secrets.open(f"recordings/{row.log}", wrapped)
    return b"".join([piece async for piece in open_stream(key, row.object, sealed)])


async def test_whatever_goes_wrong_on_the_way_each_part_is_what_was_first_kept(
    calls: Api, gateway: dict[str, str]
) -> None:
    random, session = Random(5), (await opened(calls, gateway))["id"]
    client = (await row_of(calls.world, session)).client
    sender = Sender(calls, gateway, session, client, calls.world.directory / "objects")
    moves: list[Callable[[int, bytes], Awaitable[None]]] = [
        *(sender.send, sender.again, sender.wrong, sender.cut, sender.down, sender.at_once)
    ]
    for step in range(STEPS):
        body = random.randbytes(random.choice((1, 1000, 300_000)))
        await random.choice(moves)(random.randint(1, STEPS // 4), body)
        if step % 10 == 0:
            calls.world.skip(timedelta(seconds=20))
    async with calls.world.services.database.read() as tx:
        rows = await recordings.of_session(tx, CODE, session)
    assert {row.n: await read(calls, row) for row in rows} == sender.kept
    assert len(objects(calls.world)) == len(rows)
    told = await events(calls, "session.part_added")
    assert sorted((each["n"], each["digest"]) for each in told) == [
        (n, f"sha256:{sha256(body).hexdigest()}") for n, body in sorted(sender.kept.items())
    ]
