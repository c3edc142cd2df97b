"""A program that has imported the `countersign` command, and forks for every order on standard input.

An order is a line of JSON. `{"run", "env", "output"}` starts a child, a process of its own with its own pid,
environment and output, which runs the command just as the console script does; `{"reap"}` waits for a child's status.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import traceback
from typing import Any, NoReturn

import app.main  # noqa: F401 -- `serve` would import it, by name
from app import cli

_PR_SET_PDEATHSIG = 1


def _tend() -> None:
    """Follow orders until standard input ends."""
    gc.freeze()
    for line in sys.stdin.buffer:
        order = json.loads(line)
        if "reap" in order:
            _answer({"status": os.waitpid(order["reap"], 0)[1]})
        elif pid := os.fork():
            _answer({"pid": pid})
        else:
            _be(order)


def _answer(answer: dict[str, int]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


def _be(order: dict[str, Any]) -> NoReturn:
    """The child: become the command."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    nothing, output = os.open(os.devnull, os.O_RDONLY), os.open(order["output"], os.O_WRONLY | os.O_CREAT, 0o600)
    for wanted, given in enumerate((nothing, output, output)):
        os.dup2(given, wanted)
    os.environ.update(order["env"])
    code = 1
    try:
        cli.app(args=order["run"], prog_name="countersign")
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:  # noqa: BLE001 -- the end of the process, as of any program
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _tend()
