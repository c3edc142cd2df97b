"""The `Prefer` header (https://www.rfc-editor.org/rfc/rfc7240), of which only `wait` is read here."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WAIT = re.compile(r'wait[ \t]*=[ \t]*(?:"([0-9]{1,9})"|([0-9]{1,9}))', re.IGNORECASE)


def wait_of(headers: Sequence[str], longest: int) -> int | None:
    """How many seconds the caller would wait, at most `longest`; null where no header says so in its form.

    Of several the first counts, as the RFC has it, and what is malformed is as good as absent.
    """
    for preference in ",".join(headers).split(","):
        name = preference.partition(";")[0].strip()
        if name.partition("=")[0].strip().lower() == "wait":
            match = _WAIT.fullmatch(name)
            return None if match is None else min(int(match[1] or match[2]), longest)
    return None
