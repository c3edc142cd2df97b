"""`scan`: a file of users read and judged by an account scan, to the standard library's reading of the same file."""

from __future__ import annotations

import csv
import gc
import tempfile
import time
from pathlib import Path

from app.domain.user_csv import CsvReader
from app.domain.user_file import COLUMNS, Reading
from bench.measure import Result, alternate

USERS = 1_000_000
PIECE = 1 << 16


def run() -> Result:
    """Measure. Raises `RuntimeError` where another number of users is read than was written."""
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        path = Path(folder) / "users.csv"
        _write(path)
        return alternate(
            "scan",
            "rows/s",
            lambda: USERS / _scan(path),
            lambda: USERS / _read(path),
            "the csv module of the standard library",
        )


def _write(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(COLUMNS) + "\n")
        for place in range(USERS):
            file.write(f'u{place:07},Anna{place % 97},Meier,"Meier, Anna",PUBLIC,EXTERNAL,ACTIVE,Patron\n')


def _scan(path: Path) -> float:
    gc.collect()
    begun = time.perf_counter()
    reading = Reading("csv", CsvReader())
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            reading.feed(piece)
    if reading.finish("alma-production").users != USERS:
        raise RuntimeError("another number of users was read than was written")
    return time.perf_counter() - begun


def _read(path: Path) -> float:
    gc.collect()
    begun = time.perf_counter()
    with path.open(encoding="utf-8", newline="") as file:
        if sum(1 for _ in csv.reader(file)) != USERS + 1:
            raise RuntimeError("another number of rows was read than was written")
    return time.perf_counter() - begun
