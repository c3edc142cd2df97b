"""What the gate writes down of a request that passes: its method and its address, without the values in it."""

from __future__ import annotations

import re

MAX_PATH = 2000
MAX_METHOD = 20
MASK = "***"
_METHOD = re.compile(r"[A-Z][A-Z_-]*")
_NOT_PLAIN = re.compile(r"[^!-~]")
_PAIRS = re.compile(r"[&;]")


def masked(uri: str) -> str:
    """A request's URI as it is recorded: visible ASCII, every value of the query masked, cut after `MAX_PATH`.

    A parameter without `=` may be a value itself, and is masked whole.
    """
    path, mark, query = plain(uri.partition("#")[0]).partition("?")
    return f"{path}{mark}{'&'.join(map(_masked, _PAIRS.split(query))) if query else ''}"[:MAX_PATH]


def method_of(method: str) -> str:
    """A request's method as it is recorded; `?` for one that is none."""
    return method if len(method) <= MAX_METHOD and _METHOD.fullmatch(method) else "?"


def _masked(pair: str) -> str:
    name, mark, value = pair.partition("=")
    if not mark:
        return MASK if pair else ""
    return f"{name}={MASK if value else ''}"


def plain(text: str) -> str:
    """The text in visible ASCII: every other byte of it percent-encoded."""
    return _NOT_PLAIN.sub(lambda found: "".join(f"%{byte:02X}" for byte in _bytes(found[0])), text)


def _bytes(character: str) -> bytes:
    """A header's character stands for one byte of what was sent."""
    return character.encode("latin-1") if ord(character) < 256 else character.encode("utf-8", "surrogatepass")
