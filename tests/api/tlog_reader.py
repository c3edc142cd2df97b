"""A reader of tiled logs, written from the texts of C2SP alone: it knows nothing of how Countersign keeps a trail.

https://c2sp.org/tlog-tiles, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-cosignature,
https://c2sp.org/signed-note; hashes as in RFC 6962.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Fetch = Callable[[str], Awaitable[bytes]]
"""The body that stands at a path below the log's prefix."""


class TreeHead(NamedTuple):
    """What a verified checkpoint says."""

    origin: str
    size: int
    root: bytes


def open_note(note: bytes, vkey: str) -> TreeHead:
    """The checkpoint of a signed note, its signature by this key verified."""
    text, _, signatures = note.decode().rpartition("\n\n")
    name, key_id, key = vkey.split("+", 2)
    public = b64decode(key)
    assert public[0] == 1
    assert sha256(f"{name}\n".encode() + public).hexdigest()[:8] == key_id
    signed = next(line.split(" ")[2] for line in signatures.splitlines() if line.startswith(f"— {name} "))
    signature = b64decode(signed)
    assert signature[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], f"{text}\n".encode())
    origin, size, root = text.split("\n")[:3]
    assert origin == name
    return TreeHead(origin, int(size), b64decode(root))


def cosigned_at(note: bytes, vkey: str) -> int:
    """When this witness cosigned a note (https://c2sp.org/tlog-cosignature, Ed25519), its cosignature verified."""
    text, _, signatures = note.decode().rpartition("\n\n")
    name, key_id, key = vkey.split("+", 2)
    public = b64decode(key)
    assert public[0] == 4
    assert sha256(f"{name}\n".encode() + public).hexdigest()[:8] == key_id
    lines = [b64decode(line.split(" ")[2]) for line in signatures.splitlines() if line.startswith(f"— {name} ")]
    (blob,) = [each for each in lines if each[:4].hex() == key_id]
    time = int.from_bytes(blob[4:12])
    message = f"cosignature/v1\ntime {time}\n{text}\n".encode()
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(blob[12:], message)
    return time


def element(number: int) -> str:
    """<N>: 1234067 is x001/x234/067."""
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


class Log:
    """The log at one verified size. Every hash it computes with was read from a tile of that size."""

    def __init__(self, fetch: Fetch, head: TreeHead) -> None:
        self._fetch = fetch
        self.head = head
        self.fetched: dict[str, bytes] = {}

    def _partial(self, level: int, index: int) -> str:
        """The suffix of a tile's path at this size."""
        count, width = divmod(self.head.size // 256**level, 256)
        assert index <= count
        return f".p/{width}" if index == count else ""

    async def _get(self, path: str) -> bytes:
        if path not in self.fetched:
            self.fetched[path] = await self._fetch(path)
        return self.fetched[path]

    async def tile(self, level: int, index: int) -> list[bytes]:
        """The hashes of a tile."""
        suffix = self._partial(level, index)
        body = await self._get(f"tile/{level}/{element(index)}{suffix}")
        assert len(body) == 32 * (int(suffix[3:]) if suffix else 256)
        return [body[at : at + 32] for at in range(0, len(body), 32)]

    async def entries(self, index: int) -> list[bytes]:
        """The entries of a bundle."""
        body = await self._get(f"tile/entries/{element(index)}{self._partial(0, index)}")
        found = []
        while body:
            length = int.from_bytes(body[:2], "big")
            assert len(body) >= 2 + length
            found.append(body[2 : 2 + length])
            body = body[2 + length :]
        return found

    async def mth(self, start: int, stop: int) -> bytes:
        """MTH(D[start:stop]) of RFC 6962; whole subtrees come from the highest tile that holds them."""
        width = stop - start
        if width & (width - 1) == 0 and start % width == 0:
            level = (width.bit_length() - 1) // 8
            first, count = start // 256**level, width // 256**level
            hashes = (await self.tile(level, first // 256))[first % 256 : first % 256 + count]
            assert len(hashes) == count
            while len(hashes) > 1:
                hashes = [
                    sha256(b"\x01" + left + right).digest()
                    for left, right in zip(hashes[::2], hashes[1::2], strict=True)
                ]
            return hashes[0]
        middle = start + (1 << (width - 1).bit_length() - 1)
        return sha256(b"\x01" + await self.mth(start, middle) + await self.mth(middle, stop)).digest()

    async def inclusion(self, m: int, start: int, stop: int) -> list[bytes]:
        """PATH(m, D[start:stop]), from the leaf upwards."""
        if stop - start == 1:
            return []
        middle = start + (1 << (stop - start - 1).bit_length() - 1)
        if m < middle:
            return [*await self.inclusion(m, start, middle), await self.mth(middle, stop)]
        return [*await self.inclusion(m, middle, stop), await self.mth(start, middle)]


def climb(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root that an entry and its audit path lead to (RFC 9162, section 2.1.3.2)."""
    fn, sn, node = index, size - 1, sha256(b"\x00" + leaf).digest()
    for sibling in path:
        assert sn > 0
        if fn % 2 or fn == sn:
            node = sha256(b"\x01" + sibling + node).digest()
            while fn % 2 == 0 and fn:
                fn, sn = fn // 2, sn // 2
        else:
            node = sha256(b"\x01" + node + sibling).digest()
        fn, sn = fn // 2, sn // 2
    assert sn == 0
    return node
