"""Writing a bundle: a BagIt zip, the same bytes for the same parts, made as a stream (`bundleform` has the form).

Leaves, private parts and evidence come from iterators, sync or async, and pass through; what is kept grows only with
the number of files, by one line each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.audit import bundleform as form
from app.audit.zipform import STORED
from app.audit.zipwriter import Each, ZipWriter, each
from app.domain.events import Actor
from app.trail import canonical, log

_PIECE = 1 << 16
_COUNTED = ("entries", "erased", "evidence", "private")


@dataclass(frozen=True, slots=True)
class LogPart:
    """Entries of one log: exact leaf bytes by rising index, and a checkpoint of them.

    `proofs` is empty for a log from entry 0 to its checkpoint; else it has `(index, inclusion hashes)` for each leaf.
    """

    leaves: Each[bytes]
    checkpoint: bytes
    proofs: Each[tuple[int, Sequence[bytes]]] = ()


@dataclass(frozen=True, slots=True)
class Export:
    """Who exported what: `at` is the stamp of the `trail.exported` event, `by` its actor, `request` its request."""

    at: str
    by: Actor
    institution: str
    origin: str
    request: str | None
    software: tuple[str, str]


@dataclass(frozen=True, slots=True)
class BundleParts:
    """Everything a bundle is made of.

    `private`: `(index, private part as stored, or None where it was erased)` by rising index, one for each entry that
    commits to one; nothing in an export without private parts. `evidence`: `("sha256:…", blob)` by rising hash.
    `sign` makes the signed note of a text with the log's key (`note.sign`).
    """

    export: Export
    trail: LogPart
    vendor: LogPart | None
    private: Each[tuple[int, bytes | None]]
    evidence: Each[tuple[str, bytes]]
    verifier_keys: Sequence[str]
    sign: Callable[[bytes], bytes]


class Sink(Protocol):
    """Where a bundle goes: any binary file open for writing."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""


async def write_bundle(out: Sink, parts: BundleParts) -> None:
    """Write the bundle to a file object, seekable or not. Raises `ValueError` past 4 GiB or for parts out of order."""
    async for piece in bundle_pieces(parts):
        out.write(piece)


async def bundle_pieces(parts: BundleParts) -> AsyncIterator[bytes]:
    """The bytes of the bundle, in order."""
    writer = _Writer(parts)
    yield writer.zip.whole(form.BAGIT_NAME, form.BAGIT)
    async for piece in writer.payload():
        yield piece
    async for piece in writer.tags():
        yield piece
    yield writer.zip.finish()


@dataclass(slots=True)
class _Writer:
    parts: BundleParts
    zip: ZipWriter = field(default_factory=ZipWriter)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))

    async def payload(self) -> AsyncIterator[bytes]:
        async for piece in self.zip.streamed(form.ENTRIES, self._leaves()):
            yield piece
        async for piece in self.zip.streamed(form.PRIVATE, self._private()):
            yield piece
        async for name, blob in each(self.parts.evidence):
            self.counts["evidence"] += 1
            yield self.zip.whole(f"data/evidence/{name.removeprefix('sha256:')}", blob)
        async for piece in self._log_end(self.parts.trail, form.CHECKPOINT, vendor=False):
            yield piece
        if self.parts.vendor is not None:
            async for piece in self.zip.streamed(form.VENDOR_ENTRIES, _lines(self.parts.vendor.leaves)):
                yield piece
            async for piece in self._log_end(self.parts.vendor, form.VENDOR_CHECKPOINT, vendor=True):
                yield piece
        yield self.zip.whole(form.EXPORT, canonical.encode(self._export()))
        yield self.zip.whole(form.KEYS, "".join(f"{key}\n" for key in self.parts.verifier_keys).encode())

    async def tags(self) -> AsyncIterator[bytes]:
        request = self.parts.export.request
        name = f"{self.parts.export.institution}{'' if request is None else '-' + request}.zip"
        readme = form.README.format(name=name, scope=form.WHOLE if request is None else form.PART)
        yield self.zip.whole(form.README_NAME, readme.encode())
        payload = sorted(path for path in self.zip.digests if path.startswith("data/"))
        async for piece in self.zip.streamed(form.MANIFEST, self._manifest(payload)):
            yield piece
        yield self.zip.whole(form.BAG_INFO, self._bag_info(payload), STORED)
        tags = b"".join(self._manifest(sorted(form.TAG_FILES)))
        yield self.zip.whole(form.TAG_MANIFEST, tags, STORED)
        yield self.zip.whole(form.SIGNATURE, self.parts.sign(tags), STORED)

    async def _leaves(self) -> AsyncIterator[bytes]:
        async for piece in _lines(self.parts.trail.leaves, self.counts):
            yield piece

    async def _private(self) -> AsyncIterator[bytes]:
        last = -1
        async for index, stored in each(self.parts.private):
            if index <= last:
                raise ValueError("private parts come by rising index")
            last = index
            self.counts["erased" if stored is None else "private"] += 1
            yield _private_line(index, stored)

    async def _log_end(self, part: LogPart, checkpoint: str, *, vendor: bool) -> AsyncIterator[bytes]:
        yield self.zip.whole(checkpoint, part.checkpoint)
        async for index, hashes in each(part.proofs):
            proof = form.write_proof(index, hashes, part.checkpoint)
            yield self.zip.whole(form.proof_path(index, vendor=vendor), proof)

    def _export(self) -> dict[str, Any]:
        export = self.parts.export
        return {
            "at": export.at,
            "by": {"id": export.by.id, "kind": export.by.kind},
            "counts": self.counts,
            "institution": export.institution,
            "origin": export.origin,
            "request": export.request,
            "software": {"name": export.software[0], "version": export.software[1]},
            "v": form.EXPORT_VERSION,
        }

    def _bag_info(self, payload: Sequence[str]) -> bytes:
        export = self.parts.export
        oxum = f"{sum(self.zip.sizes[path] for path in payload)}.{len(payload)}"
        lines = {
            "Bag-Software-Agent": " ".join(export.software),
            "Bagging-Date": export.at[:10],
            "External-Identifier": export.origin,
            "Payload-Oxum": oxum,
            form.SEAL: self.zip.sha256(),
        }
        return "".join(f"{label}: {value}\n" for label, value in lines.items()).encode()

    def _manifest(self, paths: Sequence[str]) -> Iterator[bytes]:
        return (f"{self.zip.digests[path]}  {path}\n".encode() for path in paths)


async def _lines(leaves: Each[bytes], counts: dict[str, int] | None = None) -> AsyncIterator[bytes]:
    """Leaves as lines, gathered into pieces."""
    gathered, size = [], 0
    async for leaf in each(leaves):
        gathered.append(leaf + b"\n")
        size += len(leaf) + 1
        if counts is not None:
            counts["entries"] += 1
        if size >= _PIECE:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def _private_line(index: int, stored: bytes | None) -> bytes:
    if stored is None:
        return canonical.encode({"erased": True, "index": index}) + b"\n"
    part = log.parse_private(stored)
    return canonical.encode({"fields": dict(part.fields), "index": index, "salt": part.salt}) + b"\n"
