"""Recordings: parts taken in, once each and whole; read by those who may, each reading an event; erased in time.

A part goes to the store first, sealed under its institution's key and under a key of the store that is used once; then
its row and its entry are committed together. What a crash leaves between the two is an object that no row names. A part
is told from another by the digest of its bytes, so an upload that broke off is simply sent again.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256, sha512

from app.actions.drafting import may_end
from app.actions.held import Held
from app.actions.ledger import NOT_FOUND, unwrap
from app.actions.services import Services
from app.actions.session_calls import over
from app.actions.sessions import settle, watch_session
from app.actions.signin import Visitor
from app.actions.watched import Watched
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.events import Event
from app.domain.institution import Institution
from app.domain.languages import msg
from app.storage import institutions, recordings, sessions
from app.storage.database import Transaction
from app.storage.recordings import PartRow
from app.storage.sessions import SessionRow
from app.tokens.sealed_stream import KEY_BYTES, open_stream, seal_stream

MAX_PART = 64 << 20
_ERASED = Refusal("recording-erased", msg("This part was erased when its time was over; the trail keeps its digest."))
NOT_READER = Refusal("forbidden", msg("Recordings are for approvers of the product, and for auditors."))
MAX_NUMBER = 1_000_000
AFTERWARDS = timedelta(hours=24)
"""How long after its end a session takes parts: a gateway may have had to wait for its own store."""
BATCH = 100
_DIGEST = re.compile(r"([a-z0-9*_.-]+)=:((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?):")
_PATH = re.compile(r"[^/]+/(ses_[0-9a-z]{26})/([0-9]{7})-[0-9a-f]{32}(?:#[0-9]+)?")
_HASHES = {"sha-256": sha256, "sha-512": sha512}


@dataclass(frozen=True, slots=True)
class NewPart:
    """A part as it comes. `digests` are those of its `Content-Digest`, by algorithm (`sha-256`, `sha-512`)."""

    n: int
    content_type: str
    digests: Mapping[str, bytes]
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Kept:
    """A part that is kept; `new` unless it had been before."""

    sha256: str
    bytes: int
    new: bool


@dataclass(frozen=True, slots=True)
class ReadPart:
    """A part for somebody who may read it."""

    content_type: str
    pieces: AsyncIterator[bytes]


async def add_part(services: Services, session_id: str, client: str | None, part: NewPart) -> Kept:
    """Keep a part of a session that `client` (`cli_…`; null: the gate) opened.

    Raises `Refused`: not-found, wrong-state, validation, too-large, digest-mismatch, part-differs; and `Unavailable`.
    """
    async with services.database.read() as tx:
        row = await _own(tx, session_id, client)
        before = await recordings.read(tx, row.log, row.id, part.n)
        now = await tx.now()
    if row.ended_at is not None and row.state != "lost" and row.ended_at + AFTERWARDS <= now:
        raise Refused(over(row))
    measured = _Measured(part)
    if before is not None:
        async for _ in measured.pieces():
            pass
        measured.check()
        return unwrap(_same(before, measured))
    path = _path(row, part.n)
    key = await _key(services, row.log)
    await services.objects.put(path, seal_stream(key, path, measured.checked()))
    outcome = await _keep(services, row, part, measured, path)
    if isinstance(outcome, Refusal) or not outcome.new:
        await services.objects.delete(path)
    return unwrap(outcome)


def _path(row: SessionRow, n: int) -> str:
    """A new key in the store, which says what it is of."""
    return f"{row.log}/{row.id}/{n:07}-{secrets.token_hex(16)}"


def place_of(path: str) -> tuple[str, int] | None:
    """Session and number of the part that an object's key was made for, where it is one of ours."""
    form = _PATH.fullmatch(path)
    return None if form is None else (form[1], int(form[2]))


async def _own(tx: Transaction, session_id: str, client: str | None) -> SessionRow:
    row = await sessions.read(tx, session_id)
    if row is None or row.client != client:
        raise Refused(NOT_FOUND)
    return row


class _Measured:
    """A part's bytes, counted and hashed as they go by."""

    def __init__(self, part: NewPart) -> None:
        self._part = part
        self._hashes = {name: make() for name, make in _HASHES.items() if name == "sha-256" or name in part.digests}
        self.bytes = 0

    @property
    def digest(self) -> str:
        return self._hashes["sha-256"].hexdigest()

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._part.pieces:
            self.bytes += len(piece)
            if self.bytes > MAX_PART:
                raise Refused(Refusal("too-large", f"A part has at most {MAX_PART} bytes; begin the next."))
            for each in self._hashes.values():
                each.update(piece)
            yield piece

    async def checked(self) -> AsyncIterator[bytes]:
        """The same; what fails the check is found before its last piece is given, so that the store keeps nothing."""
        last = b""
        async for piece in filled(self.pieces()):
            if last:
                yield last
            last = piece
        self.check()
        yield last

    def check(self) -> None:
        """Raise `Refused` where the bytes are none, or not those announced."""
        if not self.bytes:
            raise Refused(Refusal.of_field("", "A part has at least one byte."))
        for name, wanted in self._part.digests.items():
            if self._hashes[name].digest() != wanted:
                raise Refused(Refusal("digest-mismatch", f"The bytes that came are not those of the {name} digest."))


async def filled(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces that hold something."""
    async for piece in pieces:
        if piece:
            yield piece


async def _keep(services: Services, row: SessionRow, part: NewPart, measured: _Measured, path: str) -> Kept | Refusal:
    """Commit the part's row and entry, unless another was faster."""
    async with services.database.begin() as tx:
        held, session = await watch_session(services, tx, row)
        await settle(held, session)
        before = await recordings.read(tx, row.log, row.id, part.n)
        if before is None:
            await _tell(held, session, part, measured, path)
        await held.store()
    return Kept(measured.digest, measured.bytes, new=True) if before is None else _same(before, measured)


async def _tell(held: Held, session: Watched, part: NewPart, measured: _Measured, path: str) -> None:
    book, row, digest = held.book, session.row, f"sha256:{measured.digest}"
    if session.living:
        session.hear()
    data = {"n": part.n, "bytes": measured.bytes, "content_type": part.content_type, "digest": digest}
    session.tell(Event("session.part_added", row.id, session.actor, data))
    session.add_part()
    new = PartRow(row.log, row.id, part.n, measured.bytes, digest, part.content_type, book.now, path)
    await recordings.add(book.tx, new)


def _same(before: PartRow, measured: _Measured) -> Kept | Refusal:
    if before.digest != f"sha256:{measured.digest}":
        return Refusal("part-differs", f"Part {before.n} is there, with other bytes; a part is never changed.")
    return Kept(measured.digest, before.bytes, new=False)


async def _key(services: Services, log: str) -> bytes:
    """The key of an institution's recordings, made when it is first needed."""
    label = f"recordings/{log}"
    async with services.database.read() as tx:
        wrapped = await recordings.key_of(tx, log)
    if wrapped is None:
        async with services.database.begin() as tx:
            made = services.secrets.seal(label, os.urandom(KEY_BYTES))
            wrapped = await recordings.make_key(tx, log, made, await tx.now())
    return services.secrets.open(label, wrapped)


async def read_part(services: Services, visitor: Visitor, session_id: str, n: int) -> ReadPart:
    """A part, for an approver of the product or an auditor; `recording.read` is committed before the first byte.

    Raises `Refused`: not-found, forbidden, recording-erased; and `Unavailable`.
    """
    async with services.database.begin() as tx:
        row = await sessions.read(tx, session_id)
        if row is None or row.log != visitor.code or not visitor.roles:
            raise Refused(NOT_FOUND)
        part = await recordings.read(tx, row.log, row.id, n)
        if part is None:
            raise Refused(NOT_FOUND)
        held, session = await watch_session(services, tx, row)
        outcome = _readable(held, visitor, part)
        if isinstance(outcome, PartRow):
            session.tell(Event("recording.read", row.id, visitor.actor, {"n": n}))
        await held.store()
    part = unwrap(outcome)
    sealed = await services.objects.get(part.object)
    if sealed is None:
        raise Unavailable("The store of recordings has lost this part.")
    key = await _key(services, part.log)
    return ReadPart(part.content_type, open_stream(key, part.object, sealed))


def _readable(held: Held, visitor: Visitor, part: PartRow) -> PartRow | Refusal:
    if "auditor" not in visitor.roles and not may_end(held, visitor):
        return NOT_READER
    if part.erased_at is not None:
        return Refusal(
            "recording-erased", msg("This part was erased when its time was over; the trail keeps its digest.")
        )
    return part


async def retain(services: Services) -> int:
    """Erase the parts that their institution's policy keeps no longer; how many.

    Raises `Unavailable`; where the store is in doubt, nothing says that a part is gone.
    """
    async with services.database.read() as tx:
        now = await tx.now()
        logs = await recordings.logs_kept(tx, now - timedelta(days=1))
    return sum([await _retain(services, log) for log in logs])


async def _retain(services: Services, log: str) -> int:
    async with services.database.read() as tx:
        now, row = await tx.now(), await institutions.read(tx, log)
        if row is None:
            return 0
        days = Institution.from_data(row.state).policy.recording_retention_days
        parts = await recordings.kept(tx, log, now - timedelta(days=days), BATCH)
    for part in parts:
        await services.objects.delete(part.object)
    async with services.database.begin() as tx:
        await recordings.erased(tx, parts, now)
    return len(parts)


def read_digests(header: str | None) -> Mapping[str, bytes]:
    """The digests of a `Content-Digest` (RFC 9530) that are known here; every one of them has to match.

    Raises `Refused` digest-mismatch for another form, for two that differ, and where none is known.
    """
    found: dict[str, bytes] = {}
    if header is None:
        return found
    for member in map(str.strip, header.split(",")):
        form = _DIGEST.fullmatch(member)
        if form is None:
            raise Refused(Refusal("digest-mismatch", "Content-Digest is to look like sha-256=:<base64>: (RFC 9530)."))
        if form[1] in _HASHES and found.setdefault(form[1], digest := base64.b64decode(form[2])) != digest:
            raise Refused(Refusal("digest-mismatch", f"Content-Digest gives two that differ for {form[1]}."))
    if not found:
        raise Refused(Refusal("digest-mismatch", f"Content-Digest has to give one of: {', '.join(_HASHES)}."))
    return found
