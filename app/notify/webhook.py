"""A webhook's message and its signature, by Standard Webhooks 1.0.0 (https://www.standardwebhooks.com), symmetric.

Signed is `id.timestamp.body`, by HMAC-SHA256 with each secret that counts; the timestamp is that of the attempt. Of
answers the specification says: 2xx took it; 410 wants nothing more; all else has failed, and 429, 502, 503 and 504,
like an endpoint that cannot be reached, want fewer calls for a while.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.times import wire

SECRET_PREFIX = "whsec_"  # noqa: S105 -- what secrets begin with
SECRET_BYTES = 32
SEQUENCE = "Countersign-Sequence"
LONGEST_PAUSE = timedelta(hours=2)
_BUSY = frozenset({429, 502, 503, 504})
_SECONDS = re.compile(r"\d{1,6}", re.ASCII)


def secret_of(key: bytes) -> str:
    """A key as its receiver is given it."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def body(type_: str, at: datetime, data: bytes) -> bytes:
    """The message of an event of `at`, about a resource whose JSON is `data`."""
    head = json.dumps({"type": type_, "timestamp": wire(at)}, separators=(",", ":")).encode()
    return head[:-1] + b',"data":' + data + b"}"


def signature(keys: Sequence[bytes], message_id: str, timestamp: int, content: bytes) -> str:
    """The signatures of each key, newest first."""
    signed = f"{message_id}.{timestamp}.".encode() + content
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def headers(
    keys: Sequence[bytes], message_id: str, at: datetime, content: bytes, *, sequence: int, sender: str
) -> Mapping[str, str]:
    """What goes with an attempt at `at`. `sequence` rises by one with each message about one institution."""
    timestamp = int(at.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": sender,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(keys, message_id, timestamp, content),
        SEQUENCE: str(sequence),
    }


@dataclass(frozen=True, slots=True)
class Taken:
    """The endpoint has it."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The endpoint wants nothing more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It has to be tried again. `busy`: so has everything else for this endpoint, and not before `wait` is over."""

    reason: str
    busy: bool = False
    wait: timedelta = timedelta()


Verdict = Taken | Gone | Failed


def verdict(status: int, retry_after: str | None) -> Verdict:
    """What an answer means."""
    if 200 <= status < 300:
        return Taken()
    reason = f"answered {status}"
    if status == 410:
        return Gone(reason)
    wait = timedelta()
    if retry_after is not None and _SECONDS.fullmatch(retry_after):
        wait = min(timedelta(seconds=int(retry_after)), LONGEST_PAUSE)
    return Failed(reason, status in _BUSY or wait > timedelta(), wait)


def unreachable(problem: str) -> Failed:
    """What an endpoint means that could not be asked, or did not answer."""
    return Failed(problem, busy=True)
