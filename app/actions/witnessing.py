"""Asking witnesses to cosign a checkpoint (https://c2sp.org/tlog-witness), and keeping what they sign.

Nothing waits for a witness but the publishing of checkpoints and, for a few seconds, an export: approvals never do. A
witness that does not answer is left alone for a while, longer each time; one that refuses a log is asked again, and
what it said is kept for the doctor. A witness follows a log at its own size, to which the proof is fitted, up or down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from app.actions.checkpoints import opened, sign
from app.actions.services import Services
from app.identity.errors import FetchError
from app.storage import nodes, witnesses
from app.storage.witnesses import CosignatureRow, WitnessRow, WitnessSize
from app.trail.checkpoint import Checkpoint
from app.trail.cosignature import CosignerKey
from app.trail.witness import Cosigned, WitnessError, read_answer, read_size, request

ANSWER_S = 10.0
ROUNDS = 5
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
CLOCKS_APART = timedelta(seconds=300)
"""A cosignature further from our clock than this is not taken: verifiers would find it stale."""

AHEAD, FORK = "ahead", "refused"
_FAULTS = {400: "malformed", 403: "key-unknown", 404: "log-unknown", 422: FORK}
_BODY_TYPE = "text/plain; charset=utf-8"

_log = structlog.get_logger("countersign.witnesses")


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking one witness. `size`: up to where it has followed, as far as is known.

    `problem` is null exactly where it has cosigned; `down`: the witness itself does not answer as one.
    """

    witness: WitnessRow
    size: int
    cosigned: Cosigned | None = None
    problem: str | None = None
    down: bool = False


@dataclass(frozen=True, slots=True)
class Gathered:
    """The checkpoint with all its cosignatures. `retry_at`: when those that are missing are asked again; null where
    none is. `ahead`: the greatest size that a witness knows beyond this one, else 0.
    """

    signed: bytes
    retry_at: datetime | None
    ahead: int = 0


async def cosigned(services: Services, code: str, size: int | None, seconds: float = ANSWER_S) -> Gathered:
    """A checkpoint of the tree at `size` (None: all that is committed), cosigned by all witnesses that answer in time.

    Raises what `sign` raises.
    """
    signed = await sign(services, code, size)
    tree = opened(signed)
    async with services.database.read() as tx:
        every, now = await witnesses.every(tx), await tx.now()
        kept = {each.vkey for each in await witnesses.cosignatures(tx, code, tree.size)}
        sizes = await witnesses.sizes(tx, code)
    left = [row for row in every if row.vkey not in kept]
    wanted = [row for row in left if row.retry_at is None or row.retry_at <= now]
    asked = await asyncio.gather(*(_ask(services, code, tree, signed, row, sizes, seconds) for row in wanted))
    settled = await _keep(services, code, tree, asked)
    waiting = [row.retry_at for row in left if row not in wanted and row.retry_at is not None]
    again = [*waiting, *(each for each in settled if each is not None)]
    ahead = max((each.size for each in asked if each.problem == AHEAD), default=0)
    whole = await sign(services, code, tree.size, cosigned=True) if every else signed
    return Gathered(whole, min(again, default=None), ahead)


async def _ask(
    services: Services,
    code: str,
    tree: Checkpoint,
    signed: bytes,
    row: WitnessRow,
    sizes: dict[str, WitnessSize],
    seconds: float,
) -> Asked:
    known = sizes[row.vkey].size if row.vkey in sizes else 0
    try:
        async with asyncio.timeout(seconds):
            return await _converse(services, code, tree, signed, row, min(known, tree.size))
    except FetchError as error:
        return Asked(row, known, problem=error.problem, down=True)
    except TimeoutError:
        return Asked(row, known, problem="timeout", down=True)


async def _converse(services: Services, code: str, tree: Checkpoint, signed: bytes, row: WitnessRow, old: int) -> Asked:
    """Submit, and follow the witness's size as often as it tells another."""
    for _ in range(ROUNDS):
        async with services.database.read() as tx:
            proof = (await nodes.consistency_proof(tx, code, old, tree.size)).hashes
        url = f"{row.url.rstrip('/')}/add-checkpoint"
        answer = await services.webhooks.ask(url, request(old, proof, signed), _BODY_TYPE)
        try:
            if answer.status == 200:
                return Asked(row, tree.size, read_answer(answer.body, signed, CosignerKey.parse(row.vkey)))
            if answer.status != 409:
                down = answer.status not in _FAULTS
                return Asked(row, old, problem=_FAULTS.get(answer.status, f"status-{answer.status}"), down=down)
            told = read_size(answer.media_type, answer.body)
        except WitnessError:
            return Asked(row, old, problem="answer")
        if told > tree.size:
            return Asked(row, told, problem=AHEAD)
        if told == old:
            return Asked(row, old, problem="answer")
        old = told
    return Asked(row, old, problem="conflict")


def _judged(asked: Asked, now: datetime) -> Asked:
    """What came of it, unless the witness's clock is too far from ours for its word to count."""
    found = asked.cosigned
    if found is None or abs(now.timestamp() - found.time) <= CLOCKS_APART.total_seconds():
        return asked
    return replace(asked, cosigned=None, problem="clock")


async def _keep(services: Services, code: str, tree: Checkpoint, asked: Sequence[Asked]) -> list[datetime | None]:
    """Keep what came of it; when each is to be asked again (null: it has signed)."""
    if not asked:
        return []
    async with services.database.begin() as tx:
        now = await tx.now()
        asked = [_judged(each, now) for each in asked]
        for each in asked:
            row = each.witness
            if each.cosigned is not None:
                found = each.cosigned
                await witnesses.keep(tx, CosignatureRow(code, tree.size, row.vkey, found.line, found.time))
            told = None if each.down else each.problem
            await witnesses.followed(tx, WitnessSize(code, row.vkey, each.size, told, now))
            if each.down or row.failures:
                await witnesses.fared(tx, _after(each, now))
    for each in asked:
        if each.problem is not None:
            tell = _log.error if each.problem in {AHEAD, FORK} else _log.warning
            tell("witness.missing", log=code, size=tree.size, witness=each.witness.vkey, problem=each.problem)
    return [_again(each, now) for each in asked]


def _after(asked: Asked, now: datetime) -> WitnessRow:
    """How a witness does after it was asked: well, or to be left alone, twice as long each time."""
    if not asked.down:
        return replace(asked.witness, failures=0, retry_at=None, problem=None)
    failures = asked.witness.failures + 1
    pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 20), LONGEST_PAUSE)
    return replace(asked.witness, failures=failures, retry_at=now + pause, problem=asked.problem)


def _again(asked: Asked, now: datetime) -> datetime | None:
    if asked.problem is None:
        return None
    return _after(asked, now).retry_at if asked.down else now + LONGEST_PAUSE
