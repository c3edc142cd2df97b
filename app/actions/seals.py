"""The seal of an institution's row: that this service wrote it, and that the log has changed nothing since.

Whoever writes the database can write the row and leaves that hold together; what they lack is the key. A row that is
changed behind the service's back, an older one put back, or an entry slipped in, leaves a seal that does not hold; and
a seal that does not hold is never renewed by the next change.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.events import Entry
from app.domain.institution import CHANGING
from app.storage import seals
from app.storage.database import Transaction
from app.storage.institutions import InstitutionRow
from app.storage.seals import SealRow
from app.tokens.secrets import Secrets
from app.trail import canonical

LABEL = "row/institution"
_TYPES = tuple(sorted(CHANGING))


def seal_of(secrets: Secrets, row: InstitutionRow, folded: int) -> SealRow:
    """The seal over a row after the entry `folded`."""
    return SealRow(row.code, folded, secrets.mac(LABEL, *_parts(row, folded)))


async def put(secrets: Secrets, tx: Transaction, row: InstitutionRow, folded: int) -> None:
    """Seal a row. The caller holds the lock of the log and has made the row's state from a sealed one."""
    await seals.put(tx, seal_of(secrets, row, folded))


async def hold(secrets: Secrets, tx: Transaction, row: InstitutionRow) -> bool:
    """Whether the row is the one sealed, and the log's newest entry that changes an institution is folded into it."""
    kept, newest = await seals.read(tx, row.code, _TYPES)
    if kept is None or kept.folded != newest:
        return False
    return secrets.mac_holds(kept.mac, LABEL, *_parts(row, kept.folded))


async def newest_change(tx: Transaction, log: str) -> int | None:
    """The index of the log's newest entry that changes an institution."""
    return await seals.newest(tx, log, _TYPES)


def last_change(entries: Iterable[Entry]) -> int | None:
    """The index of the last of these entries that changes an institution."""
    return max((entry.index for entry in entries if entry.type in CHANGING), default=None)


def _parts(row: InstitutionRow, folded: int) -> tuple[str | bytes, ...]:
    return row.code, row.origin, str(folded), canonical.encode(dict(row.state))
