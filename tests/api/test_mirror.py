"""A trail copied by the script of the auditors' guide is checked by programs that are not ours.

Where `AICS_TLOG` names the command of PyPI's `aics-tlog` (it needs Python 3.12), that judges the copy too.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

from app.actions.publishing import publish
from app.storage import witnesses
from app.storage.witnesses import WitnessRow
from scripts.mirror_trail import keep, paths, size_of
from tests.actions.worlds import CODE
from tests.api.conftest import Api
from tests.api.tlog_reader import Log, cosigned_at, open_note
from tests.fixtures.witness import Witness, witnessing
from tests.storage.bulk import grow

SIZE = 600


async def test_a_copied_trail_is_checked_by_programs_of_others(calls: Api, tmp_path: Path) -> None:
    database = calls.world.services.database
    vkey = (await calls.http.get(f"/trail/{CODE}/verifier-keys")).text.strip()
    await grow(database, CODE, SIZE)
    witness = Witness(logs=[vkey])
    await _publish(calls, witness)
    checkpoint = (await calls.http.get(f"/trail/{CODE}/checkpoint/witnessed")).content
    keep(tmp_path, "checkpoint", checkpoint)
    for path in paths(size_of(checkpoint)):
        answer = await calls.http.get(f"/trail/{CODE}/{path}")
        assert answer.status_code == 200, path
        keep(tmp_path, path, answer.content)

    async def read(path: str) -> bytes:
        return await asyncio.to_thread((tmp_path / path).read_bytes)

    head = open_note(checkpoint, vkey)
    log = Log(read, head)
    assert (head.size, await log.mth(0, SIZE)) == (SIZE, head.root)
    assert cosigned_at(checkpoint, witness.vkey)
    if command := os.environ.get("AICS_TLOG"):
        await judged_by_others(command, tmp_path, vkey, witness.vkey)


async def _publish(calls: Api, witness: Witness) -> None:
    async with witnessing(witness):
        async with calls.world.services.database.begin() as tx:
            await witnesses.declare(tx, [WitnessRow(witness.vkey, witness.url)])
        calls.world.skip(timedelta(minutes=11))
        witness.clock = lambda: calls.world.now().timestamp()
        while await publish(calls.world.services):
            pass
    calls.http.headers["Authorization"] = await calls.token()


async def judged_by_others(command: str, folder: Path, vkey: str, witness: str) -> None:
    """Checkpoint with its cosignature, root by all tiles, and entries, by `aics-tlog`; false keys are refused."""
    shared = ("--tiles", str(folder), "--log-key", vkey, "--witness-key", witness, "--quorum", "1")
    assert await run(command, "verify-checkpoint", *shared) == 0
    for index in (0, 255, 256, SIZE - 1):
        assert await run(command, "verify-inclusion", "--index", str(index), *shared) == 0
    other = Witness("witness.example/w2", bytes([8]) * 32).vkey
    assert await run(command, "verify-checkpoint", *shared[:5], other, *shared[6:]) != 0


async def run(*command: str) -> int:
    process = await asyncio.create_subprocess_exec(*command)
    return await process.wait()
