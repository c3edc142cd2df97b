"""Bytes of any length, sealed piece by piece, so that none of them has to be in memory whole (AES-256-GCM).

    0x01 ‖ salt (16) ‖ pieces

* The key of one stream is HKDF-SHA256 (RFC 5869) of the given key, with the salt, and with `label` as its info: no two
  streams share one, so the nonces may count.
* Each piece is the ciphertext of 64 KiB with its 16-byte tag; the last, and it alone, may be shorter. Its nonce is its
  number (11 bytes, big-endian) and a byte that is 1 for the last: pieces cannot be left out, moved, or cut off.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.tokens.secrets import SealBroken

KEY_BYTES = 32
PIECE = 1 << 16
_VERSION, _SALT, _TAG = b"\x01", 16, 16
_HEAD = len(_VERSION) + _SALT


async def seal_stream(key: bytes, label: str, plain: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The sealed form of what `plain` gives, in pieces."""
    salt, number = os.urandom(_SALT), 0
    aead = _aead(key, salt, label)
    yield _VERSION + salt
    held = bytearray()
    async for piece in plain:
        held += piece
        while len(held) > PIECE:  # the last piece is never empty but for an empty stream
            yield aead.encrypt(_nonce(number, last=False), bytes(held[:PIECE]), None)
            del held[:PIECE]
            number += 1
    yield aead.encrypt(_nonce(number, last=True), bytes(held), None)


async def open_stream(key: bytes, label: str, sealed: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What was sealed under key and label, in pieces. Raises `SealBroken`, at the latest in the place of the end."""
    held, number, aead = bytearray(), 0, None
    async for piece in sealed:
        held += piece
        if aead is None:
            if len(held) < _HEAD:
                continue
            aead = _opener(key, label, bytes(held[:_HEAD]))
            del held[:_HEAD]
        while len(held) > PIECE + _TAG:
            yield _opened(aead, _nonce(number, last=False), bytes(held[: PIECE + _TAG]))
            del held[: PIECE + _TAG]
            number += 1
    if aead is None:
        raise SealBroken("not a sealed stream")
    yield _opened(aead, _nonce(number, last=True), bytes(held))


def _opener(key: bytes, label: str, head: bytes) -> AESGCM:
    if head[:1] != _VERSION:
        raise SealBroken("not a sealed stream")
    return _aead(key, head[1:], label)


def _aead(key: bytes, salt: bytes, label: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt=salt, info=b"countersign/stream/" + label.encode()).derive(key))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _opened(aead: AESGCM, nonce: bytes, sealed: bytes) -> bytes:
    try:
        return aead.decrypt(nonce, sealed, None)
    except InvalidTag as error:
        raise SealBroken("the sealed stream does not open with this key") from error
