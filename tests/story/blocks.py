"""What a document tells its readers to type, typed: one shell, block by block, in the document's order.

A block of Python whose first line is `# name.py` is saved under that name, as its reader is told to do. An HTML comment
`<!-- word -->` before a block stands for what a person does then; the test does it in their place.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PART = re.compile(r"^<!-- ([a-z ]+) -->$|^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OVER = "== over"
# Every call has to succeed, and none may leave this machine.
_PROLOGUE = """set -euo pipefail
curl() { command curl --fail-with-body --show-error --noproxy '*' --max-time 60 "$@"; }
"""


@dataclass(frozen=True, slots=True)
class Part:
    """`kind` is `person`, `sh` or `python`."""

    kind: str
    text: str


def parts_of(document: str) -> list[Part]:
    """The parts of a document that are to be done, in their order."""
    return [
        Part("person", found[1]) if found[1] is not None else Part(found[2], found[3])
        for found in _PART.finditer(document)
    ]


class Shell:
    """A bash in a folder that is handed one block after the other."""

    def __init__(self, folder: Path) -> None:
        environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        self._process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.run(_PROLOGUE)

    def run(self, text: str) -> str:
        """What a block prints. Raises `AssertionError` with that, where a command of it fails."""
        _of(self._process.stdin).write(f"{text}\necho '{_OVER}'\n")
        _of(self._process.stdin).flush()
        printed: list[str] = []
        for line in _of(self._process.stdout):
            if line.rstrip("\n").endswith(_OVER):
                return "".join(printed) + line.rpartition(_OVER)[0]
            printed.append(line)
        raise AssertionError(f"{text}\n---\n{''.join(printed)}")

    def end(self) -> None:
        """End it, and whatever it started."""
        with suppress(ProcessLookupError):  # it has ended by itself, and left nothing
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """A shell, ended with whatever it has started in the background."""
    made = Shell(folder)
    try:
        yield made
    finally:
        made.end()


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """A text with the addresses of this test in the place of those that the document names."""
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def _of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
