"""Starts the `countersign` command many times without paying for its imports each time: see `preloaded`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class Child:
    """One run of the command."""

    def __init__(self, nursery: Nursery, pid: int, output: Path) -> None:
        self.pid, self.output = pid, output
        self._nursery = nursery
        self._pidfd = os.pidfd_open(pid)  # the nursery reaps only when asked to, so the pid is still this one's

    def send_signal(self, how: int, /) -> None:
        """Send a signal to this very process, never to another that got its pid."""
        signal.pidfd_send_signal(self._pidfd, how)

    async def wait(self) -> int:
        """Its exit code, as soon as it has ended; minus the signal's number where one ended it."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._pidfd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        return os.waitstatus_to_exitcode(self._nursery.order({"reap": self.pid})["status"])


class Nursery:
    """The running program; use it as a context. What it started dies with it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.preloaded"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")},
            process_group=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._process.communicate()  # standard input ends, and with it the program and, by their leash, its children

    def start(self, arguments: Sequence[str | Path], settings: Mapping[str, str]) -> Child:
        """Run the command with these arguments and settings; its output goes to a file."""
        self._count += 1
        output = self._folder / f"{self._count:03}-{arguments[0]}.log"
        pid = self.order({"run": [str(each) for each in arguments], "env": dict(settings), "output": str(output)})[
            "pid"
        ]
        return Child(self, pid, output)

    async def run(self, arguments: Sequence[str | Path], settings: Mapping[str, str]) -> str:
        """What a run of the command prints. Fails the test where its exit code is not 0."""
        child = self.start(arguments, settings)
        code, said = await child.wait(), child.output.read_text(encoding="utf-8")
        assert code == 0, f"countersign {arguments[0]} ended with {code}: {said}"
        return said

    def order(self, order: dict[str, Any]) -> dict[str, Any]:
        """Give an order, take its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))
