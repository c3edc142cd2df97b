"""JSON (RFC 8259) as a verifier reads it: no member twice, no NaN, only text that is text, no bottomless nesting."""

from __future__ import annotations

import json
from collections.abc import Iterable

import orjson


def strict_json(data: bytes) -> object:
    """The value of UTF-8 JSON. Raises `ValueError`."""
    try:
        quick: object = orjson.loads(data)
        if orjson.dumps(quick) == data:  # nothing was lost on the way: no member twice, nothing but what JSON can say
            return quick
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass  # the words of the full judgement below are the answer
    try:
        value: object = _DECODER.decode(data.decode())
        _ENCODER.encode(value).encode()  # a lone surrogate is not text
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _each_once(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"member {name!r} twice")
        members[name] = value
    return members


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_each_once, parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False)
