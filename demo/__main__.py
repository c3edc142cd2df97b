"""`python -m demo`: the main job without hands; `--stay`: the service with a small world, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from demo.parts import PartFailed
from demo.stage import ROOT, Ports, Stage, StageError, refuse_outside_development
from demo.stay import stay
from demo.walk import Walk

PORT = 8000


def walk(stage: Stage) -> int:
    """Tell each step and what was seen, then the sum as JSON; 1 where a step failed."""
    begun, failed, done = time.monotonic(), 0, 0
    with ExitStack() as stack:
        the_walk = Walk(stage, stack)
        for step in the_walk.steps():
            done += 1
            try:
                print(f"✓ {step.__doc__} {step()}", flush=True)
            except Exception as error:  # noqa: BLE001 -- whatever it is, the step is told as failed
                print(f"✗ {step.__doc__} {type(error).__name__}: {error}", flush=True)
                failed = 1
                break
    if failed and the_walk.service is not None:
        print(f"The service said last:\n{''.join(the_walk.service.tail)}", file=sys.stderr)
    print(f"{time.monotonic() - begun:.0f} s")
    print(json.dumps({"steps": done, "failed": failed, "entries": the_walk.entries, "verified": the_walk.verified}))
    return failed


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _folder(given: Path | None, port: int) -> Path:
    """Trails pin the addresses of their providers, so other ports want another folder."""
    usual = ROOT / "var"
    return (given or (usual if port == PORT else usual / str(port))).absolute()


def main() -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog="countersign demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="serve until Ctrl-C and keep its state")
    parser.add_argument("--port", type=int, default=PORT, help="with --stay: the first of eight ports (%(default)s)")
    parser.add_argument(
        "--folder", type=Path, help="with --stay: where its state is (var, or var/PORT for other ports)"
    )
    wanted = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # the former too: a shell lets what runs behind it ignore that
        signal.signal(number, _stop)
    try:
        refuse_outside_development(os.environ)
        if wanted.stay:
            return stay(Stage(_folder(wanted.folder, wanted.port), Ports.row(wanted.port)))
        with TemporaryDirectory(prefix="countersign-demo-") as fresh:
            return walk(Stage(Path(fresh), Ports.free()))
    except (StageError, PartFailed) as error:
        print(f"countersign demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
