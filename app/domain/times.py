"""Instants: aware UTC datetimes inside, `YYYY-MM-DDThh:mm:ss.ffffffZ` in the trail, RFC 3339 on the wire."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

_WIRE = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DECIMALS = 7  # the point, and six of them
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def stamp(at: datetime) -> str:
    """The trail's form of an instant, six decimals. Raises `ValueError` for a naive one."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


@lru_cache(4096)  # each instant of an entry is met several times
def parse_stamp(text: str) -> datetime:
    """The instant of a trail stamp. Raises `ValueError` for any other form."""
    if not _STAMP.fullmatch(text):
        raise ValueError(f"not a timestamp of the trail: {text!r}")
    return datetime.fromisoformat(text)


def parse_wire(text: str) -> datetime:
    """The instant of an RFC 3339 string that names a zone, cut to microseconds. Raises `ValueError`."""
    form = _WIRE.fullmatch(text)
    if form is None:
        raise ValueError("not an RFC 3339 time with a zone")
    decimals, zone = form[1] or "", form[2]
    value = text if len(decimals) <= _DECIMALS else text.replace(decimals, decimals[:_DECIMALS])
    at = datetime.fromisoformat(value.upper())
    return at if zone == "Z" else at.astimezone(UTC)


def wire(at: datetime) -> str:
    """The wire's form: RFC 3339 in UTC with `Z`, decimals only where there are any."""
    return stamp(at).replace(".000000Z", "Z")
