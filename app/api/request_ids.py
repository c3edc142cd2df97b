"""The id of a call, in its answer and in the logs: one that was sent in is kept, if it is of its form; and the line
that every call is.
"""

from __future__ import annotations

import re
import secrets
import time

import structlog

_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = structlog.get_logger("countersign.http")


def request_id(given: str) -> str:
    """The id to use for what was sent in, "" where nothing was."""
    return given if given and _FORM.fullmatch(given) else secrets.token_hex(16)


def tell(id_: str, method: str, route: str | None, status: int, begun: float) -> None:
    """Log a call that was answered. It names the route, never the path: paths hold what only their reader should know.

    `begun`: by `time.perf_counter`.
    """
    took = round(1000 * (time.perf_counter() - begun), 1)
    _log.info("request", request_id=id_, method=method, route=route, status=status, ms=took)
