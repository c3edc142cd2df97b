"""The webhooks that are told about an institution, as its admins see them: its own, and those of clients."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from app.actions.announce import concerned
from app.actions.change_views import scene
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.webhooks import WebhookView, views
from app.storage import clients, webhooks


@dataclass(frozen=True, slots=True)
class Told:
    """A webhook that is told about an institution: `own`, or that of a client of this name."""

    view: WebhookView
    own: bool
    client: str | None

    @property
    def host(self) -> str:
        """Where it leads, without path and query, in which a secret may stand."""
        return urlsplit(self.view.row.url).hostname or ""


async def told_about(services: Services, visitor: Visitor) -> list[Told]:
    """Every webhook that is told about the visitor's institution, newest first. Raises `Refused` not-found."""
    async with services.database.read() as tx:
        there = await scene(services, tx, visitor)
        rows = [row for row in await webhooks.read_all(tx) if concerned([there.row.code], row.institutions)]
        names = {row.id: row.name for row in await clients.read_all(tx)}
        found = await views(tx, rows)
    return [Told(view, view.row.client is None, names.get(view.row.client or "")) for view in found]
