"""Small changes to good input, by chance with a seed: what a fuzzer without coverage does."""

from __future__ import annotations

from random import Random

_TOKENS = (
    *(b"\n", b"\r\n", b"\n\n", b"\0", b"\xff", b"\xed\xa0\x80", b"\xe2\x80\x94 ", b"\xef\xbb\xbf", b'"'),
    *(b"\\ud800", b"\\u0000"),
    *(b"{", b"}", b"[", b"]", b"null", b"true", b"-0", b"1e400", b"9007199254740993", b"18446744073709551616", b"1.0"),
    *(b"[" * 2000, b'{"a":' * 2000, b"=", b"==", b"+", b"/", b"--", b"PK\x05\x06", b"Content-Type: multipart/mixed;\n"),
)  # fmt: skip


def mutated(chance: Random, data: bytes, others: tuple[bytes, ...]) -> bytes:
    """The data, changed in one to four places."""
    for _ in range(chance.randrange(1, 5)):
        data = _one(chance, data, others)
    return data[: 1 << 17]


def _one(chance: Random, data: bytes, others: tuple[bytes, ...]) -> bytes:
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.choice((1, 1, 2, 4, 16, 64, 4096)))
    match chance.randrange(7):
        case 0:
            return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        case 1:
            return data[:at] + chance.choice(_TOKENS) + data[end:]
        case 2:
            return data[:at] + data[end:]
        case 3:
            return data[:end] + data[at:end] * chance.choice((1, 2, 100)) + data[end:]
        case 4:
            other = chance.choice(others)
            start = chance.randrange(len(other) + 1)
            return data[:at] + other[start : start + 64] + data[end:]
        case 5:
            return data[:at] + chance.choice(_TOKENS) + data[at:]
        case _:
            return data[:at] + bytes(reversed(data[at:end])) + data[end:]
