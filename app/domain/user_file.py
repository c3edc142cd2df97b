"""Files of users, read piece by piece at constant memory (`user_csv.py`, `user_json.py`).

Of a user who matters to a scan everything is kept, of all others nothing but that they were there. A row that cannot
be used is counted and its place kept; a file that cannot be read at all is `Unreadable`, and nothing may follow from
it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Protocol

from app.domain.rows_of_text import Faults, Unreadable
from app.domain.scan import TEXTS, Extract, User, matters

COLUMNS: Final = (*TEXTS, "roles")
MAX_ROW: Final = 64 << 10
MAX_KEPT: Final = 1_000
BOM: Final = "\ufeff"
_LONGEST: Final = 4_000


@dataclass(slots=True)
class Seen:
    """What was read so far: how many users, the rows that could not be used, and the users who matter."""

    faults: Faults = field(default_factory=Faults)
    users: int = 0
    kept: list[User] = field(default_factory=list)

    def take(self, user: User) -> None:
        """Keep a user who matters. Raises `Unreadable` where they are more than anybody's mistake can be."""
        if not matters(user):
            return
        if len(self.kept) == MAX_KEPT:
            raise Unreadable(f"more than {MAX_KEPT} users are named like the vendor: this is no list of users")
        self.kept.append(user)


class Reader(Protocol):
    """Reads a file that comes in pieces. Each method raises `Unreadable`."""

    seen: Seen

    def feed(self, piece: bytes) -> None:
        """The next piece, however long."""

    def finish(self) -> None:
        """There are no more."""


@dataclass(slots=True)
class Reading:
    """A file on its way through a reader, hashed as it goes by."""

    source: str
    reader: Reader
    _hash: Any = field(default_factory=sha256)

    @property
    def seen(self) -> Seen:
        """What was read so far."""
        return self.reader.seen

    def feed(self, piece: bytes) -> None:
        """The next piece. Raises `Unreadable`."""
        self._hash.update(piece)
        self.reader.feed(piece)

    def finish(self, environment: str) -> Extract:
        """What is kept of the whole. Raises `Unreadable`: cut off, empty."""
        self.reader.finish()
        seen = self.reader.seen
        if not seen.users:
            raise Unreadable("there is no user in it that could be read")
        digest, lines = f"sha256:{self._hash.hexdigest()}", tuple(each.line for each in seen.faults.told)
        return Extract(environment, self.source, digest, seen.users, seen.faults.count, lines, tuple(seen.kept))


def made(texts: Iterable[str], roles: Iterable[str]) -> User:
    """A user of these texts, in the order of the columns."""
    named = {name: text.strip()[:_LONGEST] for name, text in zip(TEXTS, texts, strict=True)}
    kept = (role.strip()[:_LONGEST] for role in roles)
    return User(**named, roles=tuple(role for role in kept if role))


def is_clean(line: str) -> bool:
    """Whether a text holds nothing that was not in its encoding, and no control characters."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return not any(char < " " or char in "\x7f\ufffd" for char in line)
