"""Canonical JSON (RFC 8785, https://www.rfc-editor.org/rfc/rfc8785), for the subset that entries need.

Strings, integers below 2^53, booleans, null, lists, and objects with ASCII keys; no floats. Within this subset orjson
with sorted keys yields exactly the bytes of JCS: ASCII keys sort alike by UTF-8 bytes and by UTF-16 code units, and the
escapes are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256
from typing import Any, TypeAlias, cast

import orjson

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 32
MAX_SIZE = 2**21

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class CanonicalError(ValueError):
    """The value has no canonical form here, or the bytes are not one."""


def encode(value: object) -> bytes:
    """The canonical bytes of a `Json` value; a member of a `StrEnum` is its string.

    Raises `CanonicalError` for floats, integers of 2^53 and more, lone surrogates, keys that are not ASCII strings,
    other types, and nesting deeper than `MAX_DEPTH`.
    """
    try:
        _check((value,), MAX_DEPTH)
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:  # orjson's own error is one
        raise CanonicalError("the value has no canonical form") from error


def decode(data: bytes, limit: int = MAX_SIZE) -> Json:
    """The value whose canonical bytes are `data`, of at most `limit` bytes; anything else raises `CanonicalError`."""
    if len(data) > limit:
        raise CanonicalError("not canonical JSON")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise CanonicalError("not canonical JSON") from error
    # Encoding again is what refuses duplicate keys, white space, other orders, escapes and spellings of numbers.
    if encode(value) != data:
        raise CanonicalError("not canonical JSON")
    return cast("Json", value)


def decode_object(data: bytes, limit: int = MAX_SIZE) -> dict[str, Json]:
    """As `decode`, for bytes that must hold an object."""
    value = decode(data, limit)
    if not isinstance(value, dict):
        raise CanonicalError("not a canonical JSON object")
    return value


def _check(values: Iterable[Any], depth: int) -> None:
    """Refuse what JCS could not carry or orjson would write otherwise. Hot: called for every entry verified."""
    for value in values:
        kind = type(value)
        if kind is str or value is None or kind is bool:
            continue
        if kind is int:
            if not -MAX_INTEGER <= value <= MAX_INTEGER:
                raise CanonicalError("an integer is out of bounds")
        elif depth == 0:
            raise CanonicalError("nested too deeply")
        elif kind is dict:
            if not "".join(value).isascii():  # a key that is no string is a TypeError
                raise CanonicalError("a key is not ASCII")
            _check(value.values(), depth - 1)
        elif kind is list:
            _check(value, depth - 1)
        elif not isinstance(value, StrEnum):
            raise CanonicalError("a value is of a type outside the subset")


def sha(data: bytes) -> str:
    """The SHA-256 of `data` as entries name it: `sha256:<64 lower hex>`."""
    return "sha256:" + sha256(data).hexdigest()


def code(digest: bytes, chars: int) -> str:
    """A digest for people to compare, such as `QH47-MARL`: `chars` letters of five bits each, from the first bit on."""
    if not 0 < chars * 5 <= len(digest) * 8:
        raise ValueError("the digest is too short for this code")
    bits = int.from_bytes(digest) >> (len(digest) * 8 - chars * 5)
    letters = "".join(ALPHABET[bits >> shift & 31] for shift in range((chars - 1) * 5, -1, -5))
    return "-".join(letters[start : start + 4] for start in range(0, chars, 4))
