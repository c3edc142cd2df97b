"""Tokens whose signatures held, remembered by their hash: machines show the same one again and again.

Nothing of the database is remembered, and no judgement that time can change: whoever takes a token from here asks again
whether its key still counts, and whether it is valid at this instant.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")
SIZE = 8192


class Memory(Generic[T]):
    """At most `size` values by the SHA-256 of their tokens; the one not asked for the longest goes first."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._kept: OrderedDict[bytes, T] = OrderedDict()

    def get(self, place: bytes) -> T | None:
        """What is kept there."""
        kept = self._kept.get(place)
        if kept is not None:
            self._kept.move_to_end(place)
        return kept

    def keep(self, place: bytes, value: T) -> T:
        """Keep what a token was found to be, and give it back."""
        self._kept[place] = value
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return value

    def __len__(self) -> int:
        return len(self._kept)


def place_of(issuer: str, token: str) -> bytes:
    """Where a token of this issuer is kept."""
    return hashlib.sha256(f"{issuer} {token}".encode("utf-8", "surrogatepass")).digest()
