"""Witnesses: checkpoints are brought before them and cosigned; what they do wrong, or refuse, holds nothing up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.actions.checkpoints import checkpoint, verifier_keys, witnessed
from app.actions.doctor import examine
from app.actions.institutions import apply, plan
from app.actions.operators import operator
from app.actions.publishing import publish
from app.actions.witnessing import cosigned
from app.actions.world import read_world
from app.audit.verify import verify_bundle
from app.domain.errors import Refused
from app.domain.kinds import VENDOR
from app.storage import entries, nodes, publications, tables, witnesses
from app.storage.heads import FileHeads
from app.trail import note
from app.trail.checkpoint import Checkpoint
from app.trail.cosignature import CosignerKey, verify_cosignatures
from tests.actions.attacks import behind
from tests.actions.test_rolled_back import backup, restore, size
from tests.actions.worlds import CODE, HEAD, WORLD, World
from tests.fixtures.witness import Witness, witnessing

LATER = timedelta(minutes=11)


@dataclass
class Watched:
    """A world and its two witnesses, which know the keys of its logs."""

    world: World
    one: Witness
    two: Witness

    async def declare(self, *declared: Witness) -> tuple[str, ...]:
        """Apply the world file with these witnesses; the lines of what changed."""
        text = WORLD.read_text().replace("$ISSUER", self.world.provider.issuer)
        ends = (datetime.now(UTC) + timedelta(days=200)).date().isoformat()
        text = text.replace('"$ENDS"', ends) + "".join(each.declared() for each in declared)
        read = read_world(text.encode(), environ={}, folder=self.world.directory, allow_http=True)
        planned = await plan(self.world.services, read)
        applied = await apply(self.world.services, read, operator(self.world.services, "tests"))
        assert applied.changed == planned.changed
        return applied.changed

    async def publish(self) -> int:
        """Time passes, and everything that is due is published; how many logs there were."""
        self.world.skip(LATER)
        done = 0
        while taken := await publish(self.world.services):
            done += taken
        return done

    def signers(self, signed: bytes) -> set[str]:
        """The names of the witnesses whose cosignatures stand under a checkpoint, each verified."""
        keys = [CosignerKey.parse(each.vkey) for each in (self.one, self.two)]
        return {each.key.name for each in verify_cosignatures(note.parse(signed), keys)}


@pytest.fixture
async def watched(enrolled: World) -> AsyncIterator[Watched]:
    logs = [*await verifier_keys(enrolled.services, CODE), *await verifier_keys(enrolled.services, VENDOR)]
    one = Witness(logs=logs, clock=lambda: enrolled.now().timestamp())
    two = Witness("witness.example/w2", bytes([8]) * 32, logs, clock=one.clock)
    async with AsyncExitStack() as stack:
        for each in (one, two):
            await stack.enter_async_context(witnessing(each))
        made = Watched(enrolled, one, two)
        await made.declare(one, two)
        yield made


def size_of(signed: bytes) -> int:
    return Checkpoint.parse(note.parse(signed).text).size


async def has_none(world: World) -> None:
    with pytest.raises(Refused) as refused:
        await witnessed(world.services, CODE)
    assert refused.value.refusal.problem == "not-found"


async def test_a_log_that_grew_is_cosigned_by_every_witness_and_an_idle_one_is_left_alone(watched: Watched) -> None:
    services = watched.world.services
    assert await publish(services) == 0  # nothing has waited long enough
    await has_none(watched.world)
    assert await watched.publish() == 2
    first = await witnessed(services, CODE)
    assert watched.signers(first) == {watched.one.name, watched.two.name}
    assert first == await checkpoint(services, CODE)
    asked = len(watched.one.asked)
    assert await watched.publish() == 0
    assert len(watched.one.asked) == asked

    await watched.world.file()
    grown = await checkpoint(services, CODE)
    assert (watched.signers(grown), await witnessed(services, CODE)) == (set(), first)
    assert await watched.publish() == 1
    assert size_of(await witnessed(services, CODE)) == await size(watched.world) > size_of(first)
    assert watched.one.asked[-1].startswith(f"old {size_of(first)}\n".encode())
    assert await examine(services) == []


async def test_witnesses_are_declared_in_the_world_file_and_told_in_the_vendors_log(watched: Watched) -> None:
    async def told() -> list[list[str]]:
        async with watched.world.services.database.read() as tx:
            found = await entries.find(tx, VENDOR, entries.LeafFilter(type="witness.set"), 10)
        return [each.entry.data["vkeys"] for each in found]

    one, two = watched.one, watched.two
    assert await told() == [sorted([one.vkey, two.vkey])]
    assert await watched.declare(one, two) == ()
    one.port += 1
    assert await watched.declare(one, two) == (f"~ witness {one.vkey}: {one.url}",)
    assert await watched.declare(two) == (f"- witness {one.vkey}",)
    assert await told() == [sorted([one.vkey, two.vkey]), [two.vkey]]
    async with watched.world.services.database.read() as tx:
        assert [(row.vkey, row.url) for row in await witnesses.every(tx)] == [(two.vkey, two.url)]
    assert await examine(watched.world.services) == []


async def test_a_witness_that_knows_more_or_less_than_we_remember_is_followed(watched: Watched) -> None:
    services, one = watched.world.services, watched.one
    await watched.publish()
    origin = services.origin(CODE)
    older = one.seen[origin]
    for _ in range(2):
        await watched.world.file()
        await watched.publish()
    del one.seen[origin]  # it lost everything
    await watched.world.file()
    await watched.publish()
    assert [body.split(b"\n")[0] for body in one.asked[-2:]][1] == b"old 0"
    one.seen[origin] = older  # it was restored
    await watched.world.file()
    await watched.publish()
    assert one.seen[origin][0] == await size(watched.world)
    async with behind(watched.world) as connection:  # we were
        await connection.execute(sa.delete(tables.witness_sizes))
    await watched.world.file()
    await watched.publish()
    assert watched.signers(await witnessed(services, CODE)) == {one.name, watched.two.name}
    assert size_of(await witnessed(services, CODE)) == await size(watched.world)


async def test_witnesses_that_do_not_answer_hold_nothing_up_and_are_asked_again_less_and_less(watched: Watched) -> None:
    world, services = watched.world, watched.world.services
    watched.one.down = True
    assert await watched.publish() == 2
    assert watched.signers(await checkpoint(services, CODE)) == {watched.two.name}
    await has_none(world)
    request = (await world.file()).row.id
    await world.approve(HEAD, request)
    pauses = []
    for _ in range(4):
        async with services.database.read() as tx:
            (row,) = [each for each in await witnesses.every(tx) if each.vkey == watched.one.vkey]
        assert (row.problem, row.retry_at is not None) == ("unreachable", True)
        assert row.retry_at is not None
        pauses.append(row.retry_at - world.now())
        world.skip(max(row.retry_at - world.now(), timedelta()) + timedelta(seconds=1))
        await publish(services)
    assert pauses[0] < pauses[1] < pauses[2] < pauses[3]
    watched.one.down = False
    world.skip(timedelta(hours=2))
    while await publish(services):
        pass
    assert watched.signers(await witnessed(services, CODE)) == {watched.one.name, watched.two.name}
    async with services.database.read() as tx:
        assert all(row.failures == 0 for row in await witnesses.every(tx))


async def test_a_witness_that_never_answers_costs_an_export_seconds_and_an_approval_nothing(watched: Watched) -> None:
    world, services = watched.world, watched.world.services
    watched.one.slow = asyncio.Event()
    await world.approve(HEAD, (await world.file()).row.id)
    assert not watched.one.asked
    gathered = await cosigned(services, CODE, None, seconds=0.2)
    assert watched.signers(gathered.signed) == {watched.two.name}
    assert gathered.retry_at is not None
    watched.one.slow.set()


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_answers_that_are_no_cosignatures_are_kept_nowhere(watched: Watched) -> None:
    world, services, one = watched.world, watched.world.services, watched.one
    lies: list[Callable[[str], str]] = [
        lambda _: "",
        lambda _: "— \n",
        lambda line: line.replace(one.name, "witness.example/w3"),
        lambda _: one.cosign("another\n"),
        lambda line: f"text\n\n{line}",
        lambda line: line * 2000,
    ]
    for lie in lies:
        one.mangle = lie
        await world.file()
        await watched.publish()
        assert watched.signers(await checkpoint(services, CODE)) == {watched.two.name}
    one.mangle = str
    one.clock = lambda: world.now().timestamp() - 3600
    await world.file()
    await watched.publish()
    assert watched.signers(await checkpoint(services, CODE)) == {watched.two.name}
    for status in (301, 400, 403, 404, 409, 500):
        one.status = status
        await world.file()
        world.skip(timedelta(hours=2))
        await watched.publish()
        assert watched.signers(await checkpoint(services, CODE)) == {watched.two.name}


async def test_a_fork_is_refused_by_a_witness(watched: Watched, request: pytest.FixtureRequest) -> None:
    """The operator restores an old backup and throws the last signed heads away: the witness remembers."""
    world = watched.world
    copy, people = await backup(world, request), dict(world.people)
    await world.file()
    await watched.publish()
    seen = dict(watched.one.seen)
    await restore(world, copy)
    world.people = people
    world.services = replace(world.services, heads=FileHeads(world.directory / "forgetful"))
    await watched.publish()  # shorter than what the witness cosigned
    assert watched.signers(await checkpoint(world.services, CODE)) == set()
    said = [each.words for each in await examine(world.services) if each.log == CODE]
    assert any(f"knows {seen[world.services.origin(CODE)][0]} entries" in words for words in said), said
    while await size(world) <= seen[world.services.origin(CODE)][0]:
        await world.file()
    await watched.publish()  # longer, and another
    assert watched.signers(await checkpoint(world.services, CODE)) == set()
    assert watched.one.seen == seen
    said = [each.words for each in await examine(world.services) if each.log == CODE]
    assert any("refuses" in words for words in said), said
    await world.services.database.close()


async def test_a_bundle_carries_cosignatures_and_the_verifier_wants_those_of_the_keys_given(watched: Watched) -> None:
    world = watched.world
    await world.approve(HEAD, (await world.file()).row.id)
    await watched.publish()
    kept = await checkpoint(world.services, CODE)
    path = await world.bundle()
    keys = await verifier_keys(world.services, CODE)

    def judge(bundle: Path, *vkeys: str, quorum: int | None = None) -> list[str]:
        report = verify_bundle(bundle, vkeys=[*keys, *vkeys], older_checkpoints=[kept], quorum=quorum)
        assert report.error is None
        return [each.code for each in report.findings]

    both = (watched.one.vkey, watched.two.vkey)
    assert judge(path, *both) == []
    report = verify_bundle(path, vkeys=[*keys, *both])
    assert (report.unwitnessed, report.cosigned_at is not None) == (0, True)
    stranger = Witness("witness.example/w3", bytes([9]) * 32)
    assert judge(path, *both, stranger.vkey) == ["cosignature"]
    assert judge(path, *both, stranger.vkey, quorum=2) == []
    watched.two.down = True
    later = await world.bundle()
    assert judge(later, *both) == ["cosignature"]
    assert judge(later, *both, quorum=1) == []
    filtered = await world.bundle((await world.file()).row.id)
    assert judge(filtered, watched.one.vkey) == []


async def test_a_log_has_one_owner_at_a_time(watched: Watched) -> None:
    world, services = watched.world, watched.world.services
    world.skip(LATER)
    await asyncio.gather(*(publish(services) for _ in range(4)))
    assert len(watched.one.asked) == 2
    async with services.database.begin() as tx:
        now = await tx.now()
        assert await publications.claim(tx, CODE, "mine", now, now + timedelta(minutes=1))
        assert not await publications.claim(tx, CODE, "yours", now, now + timedelta(minutes=1))
    await world.file()
    world.skip(timedelta(seconds=50))
    assert await publish(services) == 0
    assert await watched.publish() == 1  # the lease is over
    async with services.database.begin() as tx:
        late = await publications.settle(tx, CODE, "mine", 1, await tx.now(), None, timedelta(hours=24))
        assert (late, (await publications.read(tx, CODE)).size) == (False, (await nodes.snapshot(tx, CODE))[1].size)


async def test_what_grows_while_it_is_published_stays_in_the_queue(watched: Watched) -> None:
    world, services = watched.world, watched.world.services
    watched.one.slow = asyncio.Event()
    world.skip(LATER)
    running = asyncio.create_task(publish(services))
    await watched.one.came.wait()
    await world.file()
    watched.one.slow.set()
    await running
    assert await publish(services) == 0
    assert await watched.publish() == 1
    assert size_of(await witnessed(services, CODE)) == await size(world)


async def test_cosignatures_that_somebody_changes_are_not_served_and_the_doctor_tells(watched: Watched) -> None:
    services = watched.world.services
    await watched.publish()
    async with behind(watched.world) as connection:
        forged = watched.one.cosign("another\n")
        where = sa.and_(tables.cosignatures.c.log == CODE, tables.cosignatures.c.vkey == watched.one.vkey)
        await connection.execute(sa.update(tables.cosignatures).where(where).values(line=forged))
        await connection.execute(
            sa.insert(tables.witnesses).values(vkey=Witness("false").vkey, url="http://x", failures=0)
        )
    assert watched.signers(await checkpoint(services, CODE)) == {watched.two.name}
    said = [(each.log, each.words) for each in await examine(services)]
    assert any(log == CODE and "cosignature" in words for log, words in said), said
    assert any(log == VENDOR and "witnesses" in words for log, words in said), said
