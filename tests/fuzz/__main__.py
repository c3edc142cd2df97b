"""`make fuzz`: every target in turn by coverage (atheris, libFuzzer), ten minutes in all.

Input with a fault is kept. `SECONDS=n` for another time; `KEEP=1` keeps small inputs that reach something new, in
`tests/fuzz/corpus`.

Where atheris cannot be had (its wheels are for Linux on x86-64), changes by chance take its place.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from random import Random

from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
WORK = Path("var") / "fuzz"
SMALL, MOST = 1024, 40
_MEMORY_MB, _HANG_S = 1024, 25


def main(seconds: int, names: list[str]) -> int:
    """Try the targets for so long together; how many have a fault."""
    each = max(1, seconds // len(names))
    return sum(_one(name, each) for name in names)


def _one(name: str, seconds: int) -> bool:
    """Whether a target has a fault."""
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    for place, data in enumerate(seeds()[name]):
        (folder / f"seed-{place}").write_bytes(data)
    if find_spec("atheris") is None:
        return _by_chance(name, seconds)
    kept = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
    options = [f"-max_total_time={seconds}", f"-rss_limit_mb={_MEMORY_MB}", f"-timeout={_HANG_S}", "-max_len=65536"]
    options += [f"-artifact_prefix={folder}/fault-", "-print_final_stats=1", "-verbosity=0"]
    faulty = _fuzz(name, [*options, str(folder), *kept])
    sys.stdout.write(f"{name}: {'A FAULT' if faulty else 'no fault'} in {seconds} s" + "\n")
    if os.environ.get("KEEP") and not faulty:
        _keep(name, folder)
    return faulty


def _keep(name: str, folder: Path) -> None:
    """Add the smallest inputs that reached something new; libFuzzer names them by their SHA-1."""
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    found = [path for path in folder.iterdir() if re.fullmatch(r"[0-9a-f]{40}", path.name)]
    for path in sorted(found, key=lambda path: path.stat().st_size)[:MOST]:
        if path.stat().st_size <= SMALL:
            shutil.copyfile(path, CORPUS / name / path.name)


def _fuzz(name: str, arguments: list[str]) -> bool:
    command = [sys.executable, "-m", "tests.fuzz.by_coverage", name, *arguments]
    return subprocess.run(command, check=False).returncode != 0


def _by_chance(name: str, seconds: int) -> bool:
    sys.stdout.write(f"{name}: atheris is missing, so by chance" + "\n")
    good, chance, until = seeds()[name], Random(), time.monotonic() + seconds
    while time.monotonic() < until:
        data = mutated(chance, chance.choice(good), good)
        (WORK / name / "last").write_bytes(data)  # what it was, should it end here
        TARGETS[name](data)
    return False


if __name__ == "__main__":
    sys.exit(main(int(os.environ.get("SECONDS", "600")), sys.argv[1:] or sorted(TARGETS)))
