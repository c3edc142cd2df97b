"""Several processes of the service under load, as `serve --workers` runs them: each its own event loop and pool."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from bench.world import Desk, build_services, code_of


@dataclass(frozen=True, slots=True)
class Load:
    """What the processes do: `clients` in all, each going round institutions of its own."""

    url: str
    directory: Path
    jwk: Mapping[str, str]
    cli: str
    clients: int
    institutions: int
    processes: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """Running processes, waiting for rounds."""

    pipes: Sequence[Connection]

    def round(self, seconds: float) -> float:
        """Pairs a second of all processes together. Raises `RuntimeError` when one of them failed."""
        for pipe in self.pipes:
            pipe.send(seconds)
        return sum(_answer(pipe) for pipe in self.pipes)

    @classmethod
    @contextmanager
    def start(cls, load: Load) -> Iterator[Fleet]:
        """Start the processes; they end with the block."""
        context = multiprocessing.get_context("spawn")
        ends = [context.Pipe() for _ in range(load.processes)]
        workers = [context.Process(target=_work, args=(load, place, theirs)) for place, (_, theirs) in enumerate(ends)]
        for worker, (_, theirs) in zip(workers, ends, strict=True):
            worker.start()
            theirs.close()  # so that the end of a process is the end of its pipe
        try:
            for ours, _ in ends:
                _answer(ours)
            yield cls([ours for ours, _ in ends])
        finally:
            for ours, _ in ends:
                with suppress(BrokenPipeError):
                    ours.send(None)
            for worker in workers:
                worker.join()


def _answer(pipe: Connection) -> float:
    rate, error = pipe.recv()
    if error is not None:
        raise RuntimeError(error)
    return float(rate)


def _work(load: Load, place: int, pipe: Connection) -> None:
    try:
        uvloop.run(_serve(load, place, pipe))
    except Exception as error:
        pipe.send((0.0, repr(error)))
        raise


async def _serve(load: Load, place: int, pipe: Connection) -> None:
    mine = range(place, load.clients, load.processes)
    services, edge = build_services(load.url, load.directory, load.jwk, len(mine))
    desks = {
        client: [
            await Desk.open(services, edge, load.cli, code_of(number))
            for number in range(client, load.institutions, load.clients)
        ]
        for client in mine
    }
    pipe.send((0.0, None))
    try:
        while (seconds := await asyncio.to_thread(pipe.recv)) is not None:
            began = time.perf_counter()
            counts = await asyncio.gather(*(_keep_on(own, began + seconds) for own in desks.values()))
            pipe.send((sum(counts) / (time.perf_counter() - began), None))
    finally:
        await services.database.close()


async def _keep_on(desks: Sequence[Desk], until: float) -> int:
    done = 0
    while time.perf_counter() < until:
        await desks[done % len(desks)].create_and_approve()
        done += 1
    return done
