"""API clients that may read an institution's trail, as its admins see them: nothing of secrets, and nothing to change.

The catalogue lets an operator alone create clients. One held to the institution alone, and to reading its trail, is the
institution's own: it counts as the institution where private parts are concerned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.actions.change_views import scene
from app.actions.clientrows import is_institutions, is_sound
from app.actions.services import Services
from app.actions.signin import Visitor
from app.domain.kinds import VENDOR
from app.storage import clients, entries
from app.storage.clients import ClientRow
from app.storage.entries import LeafFilter
from app.tokens.clients import EVERY_INSTITUTION

SCOPE = "trail:read"


@dataclass(frozen=True, slots=True)
class Reader:
    """A client that reads the trail. `own`: it is the institution's; `private`: it sees private parts and evidence."""

    name: str
    scopes: tuple[str, ...]
    every: bool
    since: datetime
    own: bool
    private: bool


async def readers(services: Services, visitor: Visitor) -> list[Reader]:
    """The clients that may read the visitor's trail, the institution's own first. Raises `Refused` not-found."""
    async with services.database.read() as tx:
        there = await scene(services, tx, visitor)
        created = await entries.find(tx, VENDOR, LeafFilter(type="client.created"), 1 << 31)
        since = {each.entry.subject: each.entry.at for each in created}
        rows = [row for row in await clients.read_all(tx) if row.id in since and _reads(row, visitor.code)]
        sound = [row for row in rows if await is_sound(tx, services.secrets, row)]
    open_to_all = there.institution.policy.vendor_sees_evidence
    found = [
        Reader(row.name, row.scopes, EVERY_INSTITUTION in row.institutions, since[row.id], own, own or open_to_all)
        for row in sound
        for own in [is_institutions(row, visitor.code)]
    ]
    return sorted(found, key=lambda reader: (not reader.own, reader.name))


def _reads(row: ClientRow, code: str) -> bool:
    return not row.disabled and SCOPE in row.scopes and not {code, EVERY_INSTITUTION}.isdisjoint(row.institutions)
