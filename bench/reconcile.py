"""`reconcile`: a file of sign-ins read, judged and matched to sessions, to the standard library's reading of that file.

And how the matching itself grows: ten times the sign-ins and the sessions take ten times as long.
"""

from __future__ import annotations

import csv
import gc
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from app.domain.reconciliation import SignIn, Stay, match
from app.domain.sign_in_rows import SignInFile
from bench.measure import Result, alternate

SIGN_INS, SESSIONS = 100_000, 10_000
PIECE = 1 << 16
_START = datetime(2026, 1, 1, tzinfo=UTC)
_EVERY, _LONG = timedelta(minutes=40), timedelta(minutes=30)


def run() -> Iterator[Result]:
    """Measure. Raises `RuntimeError` where other sign-ins match than were made to."""
    stays = _stays(SESSIONS)
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        path = Path(folder) / "sign-ins.csv"
        inside = _write(path, SIGN_INS)
        yield alternate(
            "reconcile",
            "rows/s",
            lambda: SIGN_INS / _reconcile(path, stays, inside),
            lambda: SIGN_INS / _read(path),
            "the csv module of the standard library",
        )
    yield alternate(
        "reconcile_growth",
        "s",
        lambda: _match(SIGN_INS, stays),
        lambda: _match(SIGN_INS // 10, stays[: SESSIONS // 10]),
        "a tenth of sign-ins and sessions",
    )


def _stays(count: int) -> list[Stay]:
    opened = [_START + n * _EVERY for n in range(count)]
    return [Stay(f"ses_{n:06}", f"req_{n}", f"grt_{n}", at, at + _LONG, "203.0.113.9") for n, at in enumerate(opened)]


def _instants(count: int, sessions: int) -> list[datetime]:
    chance = Random(0)  # noqa: S311 -- the same each time
    # Made in their order, as a log's are read: what lies scattered in memory is slower the more there is of it.
    return [_START + part * sessions * _EVERY for part in sorted(chance.random() for _ in range(count))]


def _write(path: Path, count: int) -> int:
    """A file of so many sign-ins; how many lie inside a session, or 60 s of it."""
    instants = [each.replace(microsecond=0) for each in _instants(count, SESSIONS)]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["at", "user_name", "ip", "result"])
        rows.writerows(
            [f"{each:%Y-%m-%dT%H:%M:%SZ}", "exl_impl", f"203.0.113.{n % 250}", n] for n, each in enumerate(instants)
        )
    beyond = timedelta(seconds=60)
    ago = ((each - _START) % _EVERY for each in instants)
    return sum(each <= _LONG + beyond or each >= _EVERY - beyond for each in ago)


def _reconcile(path: Path, stays: list[Stay], inside: int) -> float:
    file = SignInFile(_START, _START + SESSIONS * _EVERY, ZoneInfo("Europe/Vienna"))
    began = time.process_time()
    with path.open("rb") as source:
        while piece := source.read(PIECE):
            file.feed(piece)
    file.finish()
    matched = sum(each is not None for each in match(list(file.sign_ins.values()), stays))
    seconds = time.process_time() - began
    if abs(matched - inside) > 1 or file.faults.count:  # the last session has no next one to be within 60 s of
        raise RuntimeError(f"{matched} sign-ins match, {inside} were made to; {file.faults.count} rows are broken")
    return seconds


def _read(path: Path) -> float:
    began = time.process_time()
    with path.open(encoding="utf-8", newline="") as source:
        for _ in csv.reader(source):
            pass
    return time.process_time() - began


def _match(count: int, stays: list[Stay]) -> float:
    sign_ins = [SignIn("exl_impl", (at,), "203.0.113.9", "success") for at in _instants(count, len(stays))]
    gc.collect()
    began = time.process_time()
    match(sign_ins, stays)
    return time.process_time() - began
