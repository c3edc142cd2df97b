"""Reading evidence: whoever does leaves an entry, committed before they get a byte.

Evidence is as private as private parts: an institution's own people and clients read it, others where its policy lets
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.actions.ledger import NOT_FOUND, Ledger, write
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.trail import Reader, admit, sees_private
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.kinds import SHA
from app.domain.languages import msg
from app.storage import objects

_KEPT = Refusal("forbidden", msg("The institution’s policy keeps evidence from whoever is not of the institution."))


async def read(services: Services, who: Reader, code: str, digest: str) -> bytes:
    """One blob, named `sha256:<64 lower hex>`; `evidence.read` is committed first.

    Raises `Refused`: not-found (also for a trail that is not the reader's, and for evidence that was erased),
    forbidden.
    """
    if not SHA.fullmatch(digest):
        raise Refused(NOT_FOUND)
    found = await read_many(services, who, code, [digest])
    if digest not in found:
        raise Refused(NOT_FOUND)
    return found[digest]


async def read_many(services: Services, who: Reader, code: str, digests: Sequence[str]) -> Mapping[str, bytes]:
    """Those of the blobs that there are, by name, each told in an entry of its own. Raises `Refused` as `read`."""
    admit(who, code, proving=False)
    async with write(services, code) as book:
        if not await sees_private(book.tx, who, book.institution):
            raise Refused(_KEPT)
        found = await objects.read_many(book.tx, code, digests)
        await _tell(book, who, [digest for digest in digests if digest in found])
    return found


async def _tell(book: Ledger, who: Reader, digests: Sequence[str]) -> None:
    actor = who.actor if isinstance(who, Visitor) else Actor("client", who.cli)
    for digest in dict.fromkeys(digests):
        book.add(Event("evidence.read", book.institution.code, actor, {"digest": digest}))
    if digests:
        await book.append()
