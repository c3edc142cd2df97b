"""Copy a trail as a tiled log (https://c2sp.org/tlog-tiles) into a directory, for programs that are not ours to check.

    TRAIL_TOKEN=… python scripts/mirror_trail.py https://countersign.example/trail/01EXU_INST mirror

The standard library alone, and nothing of Countersign; the token is an access token with the scope `trail:read`. What
it copied is judged by whoever reads it: see docs/auditor.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen


def size_of(checkpoint: bytes) -> int:
    """The size that a checkpoint tells; nothing of it is believed here."""
    return int(checkpoint.split(b"\n")[1])


def paths(size: int) -> Iterator[str]:
    """Every tile and bundle of the tree of `size` entries, partial ones at its width."""
    level, count = 0, size
    while count:
        for index in range(-(-count // 256)):
            width = min(256, count - index * 256)
            suffix = "" if width == 256 else f".p/{width}"
            yield f"tile/{level}/{_element(index)}{suffix}"
            if level == 0:
                yield f"tile/entries/{_element(index)}{suffix}"
        level, count = level + 1, count // 256


def _element(number: int) -> str:
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


def keep(folder: Path, path: str, body: bytes) -> None:
    """Write what stands at a path below the folder."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(body)


def main() -> None:
    """Copy the newest witnessed checkpoint's tree; with a third argument `fresh`, the fresh checkpoint's."""
    prefix, folder = sys.argv[1].rstrip("/"), Path(sys.argv[2])
    headers = {"Authorization": f"Bearer {os.environ['TRAIL_TOKEN']}"}

    def fetch(path: str) -> bytes:
        with urlopen(Request(f"{prefix}/{path}", headers=headers), timeout=60) as answer:  # noqa: S310 -- the caller's own address
            body: bytes = answer.read()
        return body

    checkpoint = fetch("checkpoint" if sys.argv[3:] == ["fresh"] else "checkpoint/witnessed")
    for path in paths(size_of(checkpoint)):
        keep(folder, path, fetch(path))
    keep(folder, "checkpoint", checkpoint)


if __name__ == "__main__":
    main()
