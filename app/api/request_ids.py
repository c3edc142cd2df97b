"""The id of a call, in its answer and in the logs: one that was sent in is kept, if it is of its form."""

from __future__ import annotations

import re
import secrets

_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(given: str) -> str:
    """The id to use for what was sent in, "" where nothing was."""
    return given if _FORM.fullmatch(given) else secrets.token_hex(16)
