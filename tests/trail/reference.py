"""The naive definitions of RFC 6962 section 2.1, word for word: what the trail's clever code is compared with."""

from __future__ import annotations

from hashlib import sha256


class NaiveTree:
    """D, the ordered list of leaf hashes, with MTH, PATH and PROOF over it."""

    def __init__(self, leaf_hashes: list[bytes]) -> None:
        self.d = leaf_hashes
        self._memo: dict[tuple[int, int], bytes] = {}

    def mth(self, start: int, stop: int) -> bytes:
        if start == stop:
            return sha256(b"").digest()
        if stop - start == 1:
            return self.d[start]
        if (start, stop) not in self._memo:
            middle = split(start, stop)
            both = self.mth(start, middle) + self.mth(middle, stop)
            self._memo[start, stop] = sha256(b"\x01" + both).digest()
        return self._memo[start, stop]

    def path(self, m: int, start: int, stop: int) -> list[bytes]:
        """PATH(m - start, D[start:stop])."""
        if stop - start == 1:
            return []
        middle = split(start, stop)
        if m < middle:
            return [*self.path(m, start, middle), self.mth(middle, stop)]
        return [*self.path(m, middle, stop), self.mth(start, middle)]

    def proof(self, m: int, n: int) -> list[bytes]:
        """PROOF(m, D[n])."""
        return self._subproof(m, 0, n, known=True)

    def _subproof(self, m: int, start: int, stop: int, *, known: bool) -> list[bytes]:
        if m == stop:
            return [] if known else [self.mth(start, stop)]
        middle = split(start, stop)
        if m <= middle:
            return [*self._subproof(m, start, middle, known=known), self.mth(middle, stop)]
        return [*self._subproof(m, middle, stop, known=False), self.mth(start, middle)]


def split(start: int, stop: int) -> int:
    """Start + k, k the largest power of two smaller than stop - start."""
    k = 1
    while k * 2 < stop - start:
        k *= 2
    return start + k


def some_leaf_hashes(count: int) -> list[bytes]:
    """Leaf hashes of distinct entries."""
    return [sha256(b"\x00" + b"%d" % number).digest() for number in range(count)]
