"""What the trail gives, derived again before anything is given on it, and remembered by all that it was derived from.

Every entry, private part and piece of evidence is read anew each time. The same bytes give the same: only then is the
replay of them spared. What is done with a grant (its tokens, its sessions) neither adds to it nor takes from it, and is
not read; whether that was all right, the verifier of bundles judges.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from app.audit.derive import Derived, derive, evidence_named
from app.domain.errors import Refusal
from app.storage import entries, objects
from app.storage.database import Transaction

REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class _Known:
    """A derivation: of which evidence, by name and by hash, beside the entries."""

    names: list[str]
    evidence: bytes
    derived: Derived


class Derivations:
    """The derivations of a process; the one not asked for the longest is forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def derive(self, tx: Transaction, log: str, request: str) -> Derived | Refusal:
        """What the request's own entries and their countersignatures give, as they are now."""
        rows = await entries.grounds_of(tx, log, request)
        place = _hash([log.encode(), request.encode(), *(piece for row in rows for piece in (row[1], row[2] or b""))])
        known = self._known.get(place)
        stored = None if known is not None else entries.read_grounds(rows)
        names = known.names if known is not None else evidence_named(stored or ())
        blobs = await objects.read_many(tx, log, names)
        evidence = _hash(piece for name in sorted(blobs) for piece in (name.encode(), blobs[name]))
        if known is not None and known.evidence == evidence:
            self._known.move_to_end(place)
            return known.derived
        derived = derive(stored or entries.read_grounds(rows), blobs, request)
        if isinstance(derived, Derived):
            self._known[place] = _Known(names, evidence, derived)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return derived


def _hash(pieces: Iterable[bytes]) -> bytes:
    """SHA-256 over the pieces, each with its length before it."""
    whole = sha256()
    for piece in pieces:
        whole.update(len(piece).to_bytes(8, "big"))
        whole.update(piece)
    return whole.digest()
