"""What a reconciliation keeps of the records it was given: the sign-ins of vendor accounts, of nobody else.

An environment's records tell of everybody who works there; only the vendor's accounts are this service's affair. So the
evidence is this extract, in parts, with the hash of the whole input, and everything found follows from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app.domain.data import Value
from app.domain.reconciliation import SignIn

VERSION: Final = "countersign/sign-ins/1"
IN_PART: Final = 1_500
"""Sign-ins of one part: as evidence it stays below 2 MiB whatever they say."""


class ExtractError(ValueError):
    """What was kept of a reconciliation is not of its form."""


@dataclass(frozen=True, slots=True)
class Extract(Value):
    """The records of an environment from `begins` to `ends`, as `source` (`institution`, `vendor`) gave them.

    `sha256`: of the whole input (`sha256:…`), which had `rows` records, of whomever, and `broken` that could not be
    used. `part`: which part of the extract this is, from 0.
    """

    environment: str
    begins: datetime
    ends: datetime
    source: str
    sha256: str
    rows: int
    broken: int
    sign_ins: tuple[SignIn, ...]
    part: int = 0
    v: str = VERSION

    def parts(self) -> Iterator[Extract]:
        """It in parts, at least one."""
        for part, start in enumerate(range(0, max(len(self.sign_ins), 1), IN_PART)):
            yield replace(self, part=part, sign_ins=self.sign_ins[start : start + IN_PART])


def read_extract(parts: Iterable[bytes]) -> Extract:
    """The extract of which these are the parts, in whatever order. Raises `ExtractError`."""
    read = sorted((_read(part) for part in parts), key=lambda each: each.part)
    if not read or [each.part for each in read] != list(range(len(read))):
        raise ExtractError("parts are missing")
    first = replace(read[0], sign_ins=())
    if any(replace(each, sign_ins=(), part=0) != first for each in read):
        raise ExtractError("the parts are not of one reconciliation")
    return replace(first, sign_ins=_joined(read))


def _joined(parts: Sequence[Extract]) -> tuple[SignIn, ...]:
    found = {sign_in.key(): sign_in for part in parts for sign_in in part.sign_ins}
    if len(found) != sum(len(part.sign_ins) for part in parts):
        raise ExtractError("a record counts twice")
    if any(not 1 <= len(each.readings) <= 2 for each in found.values()):
        raise ExtractError("a sign-in of no time")
    return tuple(found.values())


def _read(part: bytes) -> Extract:
    try:
        extract = Extract.from_data(json.loads(part))
    except ValueError as error:
        raise ExtractError(f"another form: {error}") from error
    if extract.v != VERSION:
        raise ExtractError("another version")
    return extract
