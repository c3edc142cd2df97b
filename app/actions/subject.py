"""An access request under the lock of its log, as those see it who only read it."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.actions.ledger import Ledger
from app.actions.views import private_fields
from app.domain.request import AccessRequest
from app.storage import entries
from app.storage.requests import RequestRow


@dataclass(slots=True)
class Subject:
    """A request whose log is locked. `request` is its state after everything told so far."""

    book: Ledger
    row: RequestRow
    request: AccessRequest
    _asked: dict[str, str | None] | None = field(default=None, kw_only=True)

    async def asked(self) -> dict[str, str | None]:
        """The private fields of the request's own entry, read once; empty where they were erased."""
        if self._asked is None:
            index = self.row.created_index
            stored = await entries.read_leaves(self.book.tx, self.book.code, index, index + 1)
            self._asked = dict(private_fields(stored[0]))
        return self._asked
