"""TypeIDs (https://github.com/jetify-com/typeid, v0.3): `prefix_` + 26 characters of base32 over a UUIDv7.

So they sort by time.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime

PREFIXES = frozenset(
    "req ses grt cli per evt fnd chg scn whk dft dec sta opr eng".split(),
)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_FORMS = {prefix: re.compile(prefix + r"_[0-7][0-9a-hjkmnp-tv-z]{25}") for prefix in PREFIXES}


def new_id(prefix: str, at: datetime) -> str:
    """A new id made at `at`: 48 bits of milliseconds, 74 random bits."""
    millis = int(at.timestamp() * 1000)
    random = secrets.randbits(74)
    value = (millis << 80) | (0x7 << 76) | ((random >> 62) << 64) | (0b10 << 62) | (random & ((1 << 62) - 1))
    return encode(prefix, value)


def digest_id(prefix: str, digest: bytes) -> str:
    """An id that stands for 128 bits of a (keyed) digest, such as `eng_…`; the same digest gives the same id."""
    return encode(prefix, int.from_bytes(digest[:16], "big"))


def encode(prefix: str, value: int) -> str:
    """The TypeID of a 128-bit value. Raises `ValueError` for an unknown prefix or a value out of range."""
    if prefix not in PREFIXES or not 0 <= value < 1 << 128:
        raise ValueError(prefix)
    return prefix + "_" + "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` is a TypeID of `prefix`, one of ours."""
    return form_of(prefix).fullmatch(text) is not None


def form_of(prefix: str) -> re.Pattern[str]:
    """The form of the TypeIDs of `prefix`. Raises `ValueError` where it is none of ours."""
    if prefix not in PREFIXES:
        raise ValueError(prefix)
    return _FORMS[prefix]
