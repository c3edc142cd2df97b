"""`proof`, `checkpoint`, `export_jsonl`, `export_parquet`: what auditors ask of a log of 10⁶ entries."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import urlsplit

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.actions.checkpoints import checkpoint
from app.actions.derived import take
from app.actions.export import Asked
from app.storage import nodes, tables
from app.storage.database import Transaction
from bench.grown import CODE, Grown, grown, resident_mb
from bench.measure import Result, alternate
from tests.fixtures.postgres import PASSWORD, find_programs

SIZE = 1_000_000
ALLOWED_MB = 16.0
_ROUND = 200
_LEAF = sa.select(tables.leaves.c.leaf).where(
    tables.leaves.c.log == sa.bindparam("log"), tables.leaves.c.idx == sa.bindparam("idx")
)
_COLUMNS = {
    "jsonl": "idx, leaf_hash, leaf, part",
    "parquet": "log, idx, leaf, leaf_hash, type, subject, request, part",
}


def run_proof() -> Iterator[Result]:
    """Measure proofs at 10⁶ entries and at 10³."""
    with grown(1_000) as small, grown(SIZE) as large:
        yield proof(large, SIZE)
        few, many = (lambda: _each(small, 1_000, _prove)), (lambda: _each(large, SIZE, _prove))
        yield alternate("proof_growth", "s", many, few, "the same at 1000 entries")


def run_checkpoint() -> Result:
    """Measure checkpoints at 10⁶ entries."""
    with grown(SIZE) as large:
        return signed(large)


def run_jsonl() -> Iterator[Result]:
    """Measure the export of 10⁶ lines of JSON, and what memory it takes."""
    with grown(SIZE) as large:
        yield from exported(large, "jsonl")


def run_parquet() -> Iterator[Result]:
    """Measure the export of 10⁶ rows as Parquet."""
    with grown(SIZE) as large:
        yield from exported(large, "parquet")


def proof(at: Grown, size: int) -> Result:
    """An inclusion proof beside the read of a leaf by its key."""
    prove, read = (lambda: _each(at, size, _prove)), (lambda: _each(at, size, _read))
    return alternate("proof", "s", prove, read, "a primary-key read")


def signed(at: Grown) -> Result:
    """A checkpoint beside an Ed25519 signature and the read of a leaf by its key."""
    key = Ed25519PrivateKey.generate()

    def signature() -> float:
        began = time.perf_counter()
        for _ in range(_ROUND):
            key.sign(b"countersign.example/BENCH_0\n1000000\n" + 44 * b"A" + b"\n")
        return (time.perf_counter() - began) / _ROUND

    async def sign() -> float:
        began = time.perf_counter()
        for _ in range(_ROUND):
            await checkpoint(at.services, CODE)
        return (time.perf_counter() - began) / _ROUND

    limit: Callable[[], float] = lambda: signature() + _each(at, 1_000, _read)  # noqa: E731 -- what `alternate` calls
    return alternate("checkpoint", "s", lambda: at.runner.run(sign()), limit, "an Ed25519 signature and a read")


def exported(at: Grown, form: str) -> Iterator[Result]:
    """Rows a second of an export beside psql's COPY of the same columns; the growth of memory on the way."""
    growths: list[float] = []

    def export() -> float:
        rate, growth = at.runner.run(_export(at, form))
        growths.append(growth)
        return rate

    yield alternate(f"export_{form}", "rows/s", export, lambda: _copied(at, form), "COPY by psql")
    if form != "jsonl":
        return
    most = max(growths)
    yield Result(f"export_{form}_memory", most, "MB", ALLOWED_MB, "allowed", most / ALLOWED_MB, len(growths))


async def _export(at: Grown, form: str) -> tuple[float, float]:
    began, first, most = time.perf_counter(), 0.0, 0.0
    download = await take(at.services, at.auditor, CODE, Asked(form))
    async for _ in download.pieces:
        most = max(most, resident_mb())
        first = first or most
    seconds = time.perf_counter() - began
    return await _size(at) / seconds, most - first


async def _size(at: Grown) -> int:
    async with at.services.database.look() as tx:
        return (await nodes.snapshot(tx, CODE))[1].size


def _copied(at: Grown, form: str) -> float:
    programs, parts = find_programs(), urlsplit(at.server.urls.app)
    if programs is None or not (programs / "psql").exists():
        raise RuntimeError("this benchmark needs psql (Debian: postgresql-client)")
    rows = f"SELECT {_COLUMNS[form]} FROM leaves LEFT JOIN private_parts USING (log, idx)"  # noqa: S608 -- ours
    where = ["-h", parts.hostname or "", "-p", str(parts.port), "-U", parts.username or "", parts.path[1:]]
    command = [str(programs / "psql"), *where, "-qc", f"COPY ({rows} WHERE log = '{CODE}' ORDER BY idx) TO STDOUT"]
    began = time.perf_counter()
    subprocess.run(command, env=os.environ | {"PGPASSWORD": PASSWORD}, stdout=subprocess.DEVNULL, check=True)
    return at.runner.run(_size(at)) / (time.perf_counter() - began)


_Do = Callable[[Transaction, int, int], Awaitable[object]]


def _each(at: Grown, size: int, do: _Do) -> float:
    """Seconds for one of `_ROUND` reads, each in a snapshot of its own, of entries chosen by chance."""

    async def measure() -> float:
        chosen = random.Random(2026)  # noqa: S311 -- which entries are read, no secret
        began = time.perf_counter()
        for _ in range(_ROUND):
            async with at.services.database.read() as tx:
                await do(tx, chosen.randrange(size), size)
        return (time.perf_counter() - began) / _ROUND

    return at.runner.run(measure())


async def _prove(tx: Transaction, index: int, size: int) -> object:
    return await nodes.inclusion_proof(tx, CODE, index, size)


async def _read(tx: Transaction, index: int, _: int) -> object:
    return await tx.fetch(_LEAF, {"log": CODE, "idx": index})
