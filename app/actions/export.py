"""Exports of a trail, streamed: bundles, and the record that is made of every export before its first byte leaves.

A bundle holds exactly the entries up to its own event. Its private parts and evidence stay inside the institution,
unless its policy lets others see them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import orjson

from app.actions.checkpoints import signers
from app.actions.ledger import NOT_FOUND, write
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.trail import admit, sees_private
from app.actions.views import VENDOR
from app.actions.witnessing import cosigned
from app.audit.bundle import BundleParts, Export, LogPart, bundle_pieces
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.times import stamp
from app.storage import entries, nodes, objects, requests
from app.storage.database import Transaction
from app.storage.leaves import Stored
from app.tokens.clients import Caller
from app.trail import note

WITNESSES_S = 4.0
"""How long an export waits for witnesses, twice: for the trail's checkpoint and for the vendor's."""
_ABOUT_CLIENTS = ("client.created", "client.revoked")


@dataclass(frozen=True, slots=True)
class Download:
    """An export on its way: its file name and media type, and its bytes in order."""

    filename: str
    media_type: str
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an export shall hold: the entries from `start` (in) to `stop` (out; None: to its own event), all of them or
    those of one request.
    """

    form: str
    request: str | None = None
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """An export that is recorded: `index` is that of its event, `stop` where its entries end."""

    code: str
    form: str
    request: str | None
    start: int
    stop: int
    index: int
    at: str
    origin: str
    by: Actor
    private: bool

    @property
    def filename(self) -> str:
        """What the file is called."""
        name = self.code if self.request is None else f"{self.code}-{self.request}"
        return f"{name}.{'zip' if self.form == 'bundle' else self.form}"


@dataclass(slots=True)
class _Named:
    """What entries name: clients that act, and evidence."""

    clients: set[str] = field(default_factory=set)
    evidence: set[str] = field(default_factory=set)

    def learn(self, leaf: bytes) -> None:
        entry = orjson.loads(leaf)
        if entry["actor"]["kind"] == "client":
            self.clients.add(entry["actor"]["id"])
        self.evidence.update(entry["data"].get("evidence", ()))


async def export(services: Services, who: Caller | Visitor | Actor, code: str, request: str | None) -> Download:
    """A bundle of a trail, or of one request's entries. An `Actor` is the operator at the command line.

    Raises `Refused`: not-found (also for a trail that is not the caller's), forbidden.
    """
    exported = await record(services, who, code, Asked("bundle", request))
    checkpoint = (await cosigned(services, code, exported.index + 1, WITNESSES_S)).signed
    return Download(exported.filename, "application/zip", _pieces(services, exported, checkpoint))


async def record(services: Services, who: Caller | Visitor | Actor, code: str, asked: Asked) -> Exported:
    """Commit the event that says what is about to leave.

    Raises `Refused`: not-found, forbidden, validation for a range that holds no entry.
    """
    if not isinstance(who, Actor):
        admit(who, code, proving=False)
    async with write(services, code) as book:
        if asked.request is not None and await requests.read(book.tx, asked.request, code) is None:
            raise Refused(NOT_FOUND)
        actor = who if isinstance(who, Actor) else who.actor if isinstance(who, Visitor) else Actor("client", who.cli)
        private = await sees_private(book.tx, who, book.institution)
        end = book.next_index + 1
        stop = end if asked.stop is None else min(asked.stop, end)
        if asked.start >= stop:
            raise Refused(Refusal.of_field("/from", "Name an entry that the trail has, before that of to."))
        data = {"format": asked.form, "from": asked.start, "to": stop, "request": asked.request}
        book.add(Event("trail.exported", code, actor, data | {"with_private": private}))
        entry = (await book.append())[-1].entry
    at, origin = stamp(entry.at), book.head.origin
    return Exported(code, asked.form, asked.request, asked.start, stop, entry.index, at, origin, actor, private)


async def _pieces(services: Services, exported: Exported, checkpoint: bytes) -> AsyncIterator[bytes]:
    vendor_note = (await cosigned(services, VENDOR, None, WITNESSES_S)).signed
    async with services.database.read() as tx:
        about = None if exported.request is None else await _about(tx, exported)
        named = _Named()
        async for leaf in _leaves(tx, exported, about):
            named.learn(leaf)
        keys = signers(services, exported.code, exported.origin)
        parts = BundleParts(
            export=Export(
                at=exported.at,
                by=exported.by,
                institution=exported.code,
                origin=exported.origin,
                request=exported.request,
                software=("countersign", services.version),
            ),
            trail=LogPart(_leaves(tx, exported, about), checkpoint, await _proofs(tx, exported, about)),
            vendor=await _vendor(tx, exported, named.clients, vendor_note),
            private=_private(tx, exported, about),
            evidence=_evidence(tx, exported, sorted(named.evidence)),
            verifier_keys=[key.verifier.vkey for key in keys],
            sign=lambda text: note.sign(text.decode(), keys),
        )
        async for piece in bundle_pieces(parts):
            yield piece


async def _about(tx: Transaction, exported: Exported) -> list[Stored]:
    """The entries of a filtered bundle: what concerns the request up to the export, and the export's event."""
    stored = await entries.entries_about(tx, exported.code, exported.request or "")
    return [each for each in stored if each.entry.index <= exported.index]


async def _stored(tx: Transaction, exported: Exported, about: Sequence[Stored] | None) -> AsyncIterator[Stored]:
    if about is not None:
        for each in about:
            yield each
        return
    async for chunk in entries.stream(tx, exported.code, 0, exported.index + 1):
        for each in chunk:
            yield each


async def _leaves(tx: Transaction, exported: Exported, about: Sequence[Stored] | None) -> AsyncIterator[bytes]:
    async for each in _stored(tx, exported, about):
        yield each.leaf


async def _private(
    tx: Transaction, exported: Exported, about: Sequence[Stored] | None
) -> AsyncIterator[tuple[int, bytes | None]]:
    if not exported.private:
        return
    async for each in _stored(tx, exported, about):
        if each.entry.private is not None:
            yield each.entry.index, each.private


async def _evidence(tx: Transaction, exported: Exported, digests: Sequence[str]) -> AsyncIterator[tuple[str, bytes]]:
    if not exported.private:
        return
    for digest in digests:
        blob = await objects.read(tx, exported.code, digest)
        if blob is not None:
            yield digest, blob


async def _proofs(
    tx: Transaction, exported: Exported, about: Sequence[Stored] | None
) -> list[tuple[int, tuple[bytes, ...]]]:
    indexes = [each.entry.index for each in about or ()]
    return await _inclusion(tx, exported.code, indexes, exported.index + 1)


async def _inclusion(
    tx: Transaction, log: str, indexes: Sequence[int], size: int
) -> list[tuple[int, tuple[bytes, ...]]]:
    return [(index, (await nodes.inclusion_proof(tx, log, index, size)).hashes) for index in indexes]


async def _vendor(tx: Transaction, exported: Exported, clients: set[str], checkpoint: bytes) -> LogPart:
    """The VENDOR entries that the trail relies on, with their proofs over VENDOR's checkpoint."""
    size = int(checkpoint.split(b"\n")[1])
    found = await entries.read_leaves(tx, VENDOR, 0, 1)
    (opened,) = await entries.read_leaves(tx, exported.code, 0, 1)
    before = (opened.entry.data["continues"] or {"origin": None})["origin"]
    types = (*_ABOUT_CLIENTS, "key.added", "institution.registered", "log.observed")
    for type_ in types:
        of_type = await entries.find(tx, VENDOR, entries.LeafFilter(stop=size, type=type_), 1 << 31)
        found += [each for each in of_type if _relied_on(each, exported, clients, before)]
    found.sort(key=lambda each: each.entry.index)
    proofs = [
        (each.entry.index, (await nodes.inclusion_proof(tx, VENDOR, each.entry.index, size)).hashes) for each in found
    ]
    return LogPart([each.leaf for each in found], checkpoint, proofs)


def _relied_on(stored: Stored, exported: Exported, clients: set[str], before: str | None) -> bool:
    entry, code = stored.entry, exported.code
    if entry.type == "log.observed":  # of this very trail or the one `before`, where the bundle can be compared with it
        observed = entry.data["origin"] == exported.origin and entry.data["size"] <= exported.index + 1
        return exported.request is None and (observed or entry.data["origin"] == before)
    if entry.type in _ABOUT_CLIENTS:
        return entry.subject in clients
    return code in {entry.data.get("log"), entry.data.get("code")}
