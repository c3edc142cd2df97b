"""Private files in a directory: mode 0600, created whole and once, replaced at once, one writer at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.domain.errors import CountersignError

Mark = tuple[int, int]
"""Inode and time of change: differs once a file has been replaced."""


class KeysError(CountersignError):
    """The keys are missing, unreadable or in a state that allows no signing; the message says what to do."""


def mark(path: Path | str) -> Mark:
    """The mark of a file. Raises `KeysError` when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 -- asked at each use of a key; Path.stat takes twice as long
    except OSError as error:
        raise KeysError(f"no {path} ({error.strerror}); `countersign keys rotate` makes the first keys") from error
    return found.st_ino, found.st_mtime_ns


def read_private(path: Path) -> bytes:
    """The bytes of a file that its owner alone may read. Raises `KeysError`."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise KeysError(f"{path} can be read by others than its owner; `chmod 600` it")
            return file.read()
    except OSError as error:
        raise KeysError(f"no key at {path} ({error.strerror})") from error


def create_file(path: Path, data: bytes) -> None:
    """A new file, whole and on disk, or none. Raises `KeysError` when there is one of that name."""
    temporary = _written(path.parent, data)
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise KeysError(f"{path} exists already; a key file is never overwritten") from error
    finally:
        temporary.unlink()
    _sync(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """A file's new contents: a reader, or a crash, sees the old or the new."""
    _written(path.parent, data).replace(path)
    _sync(path.parent)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """One writer of the directory at a time, on this machine."""
    descriptor = os.open(directory / ".lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _written(directory: Path, data: bytes) -> Path:
    path = directory / f".new-{os.urandom(8).hex()}"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
