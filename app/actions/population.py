"""The population of a trail: how many there are of everything an auditor may draw a sample from.

Counts alone, over one tree, which is named; nobody's name and no entry is in it, so that it is no export.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from typing import Any

from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.domain.errors import Refused
from app.domain.events import CATALOGUE
from app.domain.times import stamp
from app.storage import entries, nodes
from app.storage.database import Transaction

_BY = {
    "decision.made": "verdict",
    "request.approved": "ground",
    "request.denied": "because",
    "request.revoked": "because",
    "session.terminated": "because",
    "finding.opened": "kind",
    "trail.exported": "format",
    "gate.refused": "problem",
    "decision.refused": "problem",
    "request.refused": "problem",
    "token.refused": "problem",
}
"""Type → the field of its data by which it is counted too."""
_PAGE = 500


async def population(services: Services, code: str) -> dict[str, Any]:
    """Size, root and times of the trail, and its entries by type, some of them by what they say; one snapshot.

    `"by"` maps a type to how many there are of each value of one of its fields. Raises `Refused` not-found.
    """
    async with services.database.read() as tx:
        try:
            origin, edge = await nodes.snapshot(tx, code)
        except KeyError as error:
            raise Refused(NOT_FOUND) from error
        found = await entries.count_types(tx, code)
        by = {type_: await _values(tx, code, type_, name) for type_, name in _BY.items() if found.get(type_)}
        times = [await _time(tx, code, index) for index in ({0, edge.size - 1} if edge.size else ())]
    return {
        "institution": code,
        "origin": origin,
        "size": edge.size,
        "root": b64encode(edge.root()).decode(),
        "first_at": min(times, default=None),
        "last_at": max(times, default=None),
        "entries": {type_: found.get(type_, 0) for type_ in _types(found)},
        "by": by,
    }


def _types(found: Mapping[str, int]) -> list[str]:
    """All that an institution's trail may have, and what this one has."""
    return sorted(type_ for type_, spec in CATALOGUE.items() if type_ in found or not spec.vendor)


async def _values(tx: Transaction, code: str, type_: str, name: str) -> dict[str, int]:
    counted, start = Counter[str](), 0
    while page := await entries.find(tx, code, entries.LeafFilter(start, type=type_), _PAGE):
        counted.update(str(each.entry.data[name]) for each in page)
        start = page[-1].entry.index + 1
    return dict(sorted(counted.items()))


async def _time(tx: Transaction, code: str, index: int) -> str:
    return stamp((await entries.read_leaves(tx, code, index, index + 1))[0].entry.at)
