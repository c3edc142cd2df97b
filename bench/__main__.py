"""`make bench`, `python -m bench [name]`: one JSON line for each benchmark, one word of progress on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from bench import (
    activity_batch,
    append_growth,
    create_approve,
    gate_check,
    introspect,
    long_poll,
    reconcile,
    scan,
    token_mint,
    trail,
    verify,
)
from bench.measure import Result

BENCHMARKS: dict[str, Callable[[], Result | Iterable[Result]]] = {
    "create_approve": create_approve.run,
    "append_growth": append_growth.run,
    "verify": verify.run,
    "proof": trail.run_proof,
    "checkpoint": trail.run_checkpoint,
    "export_jsonl": trail.run_jsonl,
    "export_parquet": trail.run_parquet,
    "introspect": introspect.run,
    "token_mint": token_mint.run,
    "long_poll": long_poll.run,
    "gate_check": gate_check.run,
    "activity_batch": activity_batch.run,
    "reconcile": reconcile.run,
    "scan": scan.run,
}


def main(names: list[str]) -> int:
    """Run the benchmarks named, or all; 2 for a name that is none."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        if sys.stderr.isatty():
            print(f"{name} …", file=sys.stderr)
        measured = BENCHMARKS[name]()
        for result in (measured,) if isinstance(measured, Result) else measured:
            print(result.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
