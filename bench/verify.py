"""`verify`: a bundle of 100,000 entries verified offline, to SHA-256 over its leaves alone; and what memory it took.

Each measurement is a process of its own, so that its peak memory is that of one verification.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Mapping
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from app.audit import bundleform
from app.audit.bundlereader import read_bundle
from app.audit.verify import verify_bundle
from bench.measure import Result, alternate
from bench.story import write_bundle

ENTRIES = 100_000
MEMORY_MB = 300.0


def run() -> Iterator[Result]:
    """Measure. Raises `RuntimeError` where the verifier finds something in an honest bundle."""
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        path = Path(folder) / "bundle.zip"
        yield from measured(path, write_bundle(path, ENTRIES))


def measured(path: Path, anchors: Mapping[str, Any]) -> Iterator[Result]:
    """How quickly a bundle is verified, and in how much memory."""
    peaks: list[float] = []

    def verified() -> float:
        rate, peak = _in_process(path, anchors)
        peaks.append(peak)
        return rate

    yield alternate("verify", "entries/s", verified, lambda: _hashing(path), "SHA-256 of the leaves")
    yield Result("verify_memory", max(peaks), "MB", MEMORY_MB, "allowed", max(peaks) / MEMORY_MB, len(peaks))


def _hashing(path: Path) -> float:
    """Entries a second of hashing what is in memory already."""
    with read_bundle(path) as bundle:
        leaves = list(bundle.lines(bundleform.ENTRIES, 1 << 16))
    began = time.process_time()
    for leaf in leaves:
        sha256(leaf).digest()
    return len(leaves) / (time.process_time() - began)


def _in_process(path: Path, anchors: Mapping[str, Any]) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_verify, args=(path, anchors, theirs))
    worker.start()
    theirs.close()
    rate, peak = ours.recv()
    worker.join()
    return rate, peak


def _verify(path: Path, anchors: Mapping[str, Any], pipe: Connection) -> None:
    began = time.process_time()
    report = verify_bundle(path, **anchors)
    seconds = time.process_time() - began
    if report.exit_code != 0:
        raise RuntimeError(f"an honest bundle was not accepted: {report.error or report.findings[:3]}")
    pipe.send((report.entries / seconds, _peak_mb()))


def _peak_mb() -> float:
    """This program's peak memory. Not `ru_maxrss`: Linux lets that begin with the memory of the parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
