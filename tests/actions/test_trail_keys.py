"""The key of a trail is rotated with an overlap: old and new one both sign, until everybody has noted the new one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.actions.checkpoints import checkpoint, verifier_keys
from app.actions.doctor import examine
from app.actions.keys import begin_trail_rotation, finish_trail_rotation
from app.actions.operators import operator
from app.audit.verify import verify_bundle
from app.domain.errors import Refused
from app.domain.kinds import VENDOR
from app.storage import entries
from app.tokens import keys
from app.tokens.keyfiles import KeysError
from app.tokens.keys import KeyRing
from app.trail.checkpoint import CheckpointError, open_checkpoint
from app.trail.note import VerifierKey
from tests.actions.worlds import CODE, HEAD, World


def opens(signed: bytes, vkey: str) -> bool:
    try:
        open_checkpoint(signed, [VerifierKey.parse(vkey)])
    except CheckpointError:
        return False
    return True


def judged(path: Path, *vkeys: str, older: bytes | None = None) -> list[str]:
    report = verify_bundle(path, vkeys=vkeys, older_checkpoints=[] if older is None else [older])
    assert report.error is None
    return [each.code for each in report.findings]


async def told(world: World, type_: str) -> list[str]:
    async with world.services.database.read() as tx:
        found = await entries.find(tx, VENDOR, entries.LeafFilter(type=type_), 100)
    return [each.entry.data["kid"] for each in found]


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
@pytest.mark.parametrize("log", [CODE, VENDOR])
async def test_old_and_new_key_both_sign_until_the_rotation_is_finished(enrolled: World, log: str) -> None:
    world, services = enrolled, enrolled.services
    who = operator(services, "tests")
    other_process = replace(services, ring=KeyRing(services.ring.directory))
    before = await checkpoint(other_process, log)
    assert opens(before, (await verifier_keys(services, log))[0])
    old, new = await begin_trail_rotation(services, log, who)
    assert await verifier_keys(services, log) == [old, new] == await verifier_keys(other_process, log)
    for each in (services, other_process):
        assert [opens(await checkpoint(each, log), vkey) for vkey in (old, new)] == [True, True]
    assert VerifierKey.parse(new).key_id.hex() in await told(world, "key.added")
    with pytest.raises(KeysError, match="being rotated"):
        await begin_trail_rotation(services, log, who)
    assert await examine(services) == []

    assert await finish_trail_rotation(services, log, who) == (old, new)
    assert await verifier_keys(other_process, log) == [new]
    assert [opens(await checkpoint(other_process, log), vkey) for vkey in (old, new)] == [False, True]
    assert VerifierKey.parse(old).key_id.hex() in await told(world, "key.retired")
    with pytest.raises(KeysError, match="not being rotated"):
        await finish_trail_rotation(services, log, who)
    assert await examine(services) == []


async def test_bundles_verify_by_either_key_during_the_overlap_and_receipts_of_before_ever_after(
    enrolled: World,
) -> None:
    world, services = enrolled, enrolled.services
    who = operator(services, "tests")
    await world.approve(HEAD, (await world.file()).row.id)
    receipt = await checkpoint(services, CODE)
    old, new = await begin_trail_rotation(services, CODE, who)
    both = await world.bundle()
    assert judged(both, old, older=receipt) == []
    assert judged(both, old, new, older=receipt) == []
    assert judged(both, new) == []
    assert judged(both, new, older=receipt) == ["signature"]  # the receipt is of before the overlap
    await finish_trail_rotation(services, CODE, who)
    after = await world.bundle()
    assert judged(after, old, new, older=receipt) == []
    assert judged(after, new) == []
    assert set(judged(after, old)) == {"signature"}
    assert (await world.verify(after)).exit_code == 0


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_rotation_that_was_cut_off_goes_on(enrolled: World) -> None:
    world, services = enrolled, enrolled.services
    who = operator(services, "tests")
    directory = services.ring.directory
    assert directory is not None
    waiting = keys.new_trail(directory, CODE)  # made, then the process died
    assert len(await verifier_keys(services, CODE)) == 1
    old, new = await begin_trail_rotation(services, CODE, who)
    assert VerifierKey.parse(new).public == waiting.public
    one_more = await told(world, "key.added")
    assert one_more.count(VerifierKey.parse(new).key_id.hex()) == 1
    assert [path.suffix for path in directory.glob(f"trail-{CODE}*")] == [".pem"]
    assert (directory / f"trail-{CODE}.pem").stat().st_mode & 0o777 == 0o600
    assert old != new


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_keys_given_as_values_and_unknown_trails_are_not_rotated(enrolled: World) -> None:
    services, who = enrolled.services, operator(enrolled.services, "tests")
    with pytest.raises(Refused) as refused:
        await begin_trail_rotation(services, "01NOBODY_INST", who)
    assert refused.value.refusal.problem == "not-found"
    directory = services.ring.directory
    assert directory is not None
    token = next(directory.glob("token-*.pem")).read_text()
    await begin_trail_rotation(services, CODE, who)
    pems = {log: (directory / f"trail-{log}.pem").read_text() for log in (CODE, VENDOR)}
    valued = replace(services, ring=KeyRing.from_values(token, pems))
    assert await verifier_keys(valued, CODE) == await verifier_keys(services, CODE)
    with pytest.raises(Refused, match="values"):
        await finish_trail_rotation(valued, CODE, who)


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_key_that_no_log_tells_of_is_told_by_the_doctor(enrolled: World) -> None:
    directory = enrolled.services.ring.directory
    assert directory is not None
    keys.new_trail(directory, CODE)
    keys.overlap_trail(directory, CODE)
    assert any("knows it not" in each.words for each in await examine(enrolled.services))
