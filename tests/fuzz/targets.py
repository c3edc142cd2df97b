"""Every parser of what strangers hand over, as a function of bytes: it answers, or says its one error. Anything else it
raises is a fault. `make fuzz` tries them by coverage (atheris), `make test` from the corpus.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import orjson

from app.audit import bundleform as form
from app.audit.anchors import InputError, KeyRing, thumbprints
from app.audit.bundleform import FormError, read_proof
from app.audit.evidence import EvidenceError, SignedIn, read_evidence
from app.audit.findings import Fault
from app.audit.reading import _private_line, read_entry
from app.audit.receipts import ReceiptError, receipt_of
from app.audit.verify import verify_bundle
from app.audit.zipreader import BundleError
from app.identity.id_token import EVIDENCE_ALGORITHMS, IdTokenRefused, Jwks
from app.identity.jws import open_token
from app.trail import canonical, note
from app.trail.canonical import CanonicalError
from app.trail.checkpoint import Checkpoint, CheckpointError
from app.trail.cosignature import CosignerKey, verify_cosignatures
from app.trail.log import parse_private
from app.trail.note import NoteError, VerifierKey
from app.trail.proofs import ProofError, verify_consistency, verify_inclusion
from app.trail.tiles import parse_path, path_of
from tests.audit.world import SECOND, World
from tests.fuzz.packing import pack, unpack

Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {}
"""Name → the function, which raises for a fault alone."""


def _target(*refusals: type[Exception]) -> Callable[[Target], Target]:
    def register(function: Target) -> Target:
        def run(data: bytes) -> None:
            try:
                function(data)
            except refusals as error:
                if not str(error):
                    raise AssertionError("an error that says nothing") from error

        TARGETS[function.__name__.removeprefix("_")] = run
        return run

    return register


@_target(NoteError)
def _note(data: bytes) -> None:
    read = note.parse(data)
    assert read.to_bytes() == data
    key = CosignerKey("w.example", b"w" * 32)
    verify_cosignatures(read, [key])
    note.verify(read, [VerifierKey("countersign.example/01EXU_INST", b"k" * 32)])


@_target(NoteError, CheckpointError)
def _checkpoint(data: bytes) -> None:
    text = note.parse(data).text
    assert Checkpoint.parse(text).text() == text


@_target(InputError)
def _vkey(data: bytes) -> None:
    KeyRing.parse([data.decode("utf-8", "replace")])


@_target(ValueError)
def _tile_path(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    tile = parse_path(text)
    full = f"{tile.level}/{path_of(tile.index)}"
    assert text in {full, f"{full}.p/{tile.width}"}


@_target(FormError)
def _proof(data: bytes) -> None:
    head, _, rest = data.partition(b"\n\n")
    index, hashes = read_proof(data, rest)
    assert form.write_proof(index, hashes, rest) == data
    assert head


@_target(ProofError)
def _tree(data: bytes) -> None:
    """Sizes in the first 16 bytes, hashes after."""
    one, other = int.from_bytes(data[:8]), int.from_bytes(data[8:16])
    hashes = [data[at : at + 32] for at in range(16, len(data), 32)]
    for proof in (verify_inclusion, verify_consistency):
        try:
            if proof is verify_inclusion:
                verify_inclusion(one, other, b"\0" * 32, hashes, b"\1" * 32)
            else:
                verify_consistency(one, other, b"\0" * 32, b"\1" * 32, hashes)
        except ProofError:
            continue
        raise AssertionError("a proof of nothing holds")


@_target(CanonicalError)
def _canonical(data: bytes) -> None:
    assert canonical.encode(canonical.decode(data)) == data


@_target(Fault)
def _entry(data: bytes) -> None:
    assert read_entry(data).index >= 0


@_target(BundleError)
def _private(data: bytes) -> None:
    _private_line(data)


@_target(CanonicalError, ValueError)
def _stored_private(data: bytes) -> None:
    parse_private(data)


@_target(EvidenceError, IdTokenRefused)
def _evidence(data: bytes) -> None:
    read = read_evidence(data)
    if isinstance(read, SignedIn):
        open_token(read.id_token, Jwks((read.jwk,)), EVIDENCE_ALGORITHMS)


@_target(InputError)
def _key_set(data: bytes) -> None:
    try:
        read = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    if isinstance(read, dict):
        thumbprints([read])


@_target(ReceiptError)
def _mail(data: bytes) -> None:
    assert isinstance(receipt_of(data), bytes)


def _report(data: bytes) -> None:
    """Whatever is in the file, verification ends with a report: unreadable, or found, or nothing wrong."""
    with tempfile.TemporaryDirectory(prefix="countersign-fuzz-") as folder:
        path = Path(folder) / "b.zip"
        path.write_bytes(data)
        report = verify_bundle(path)
    assert report.exit_code in {1, 2, 3}
    assert report.error != ""
    assert report.to_text()
    assert orjson.dumps(report.to_data())


@_target()
def _bundle(data: bytes) -> None:
    _report(data)


@_target()
def _member(data: bytes) -> None:
    """The first byte chooses a file of a good bundle, the rest becomes its content; lists and seal fit it."""
    members = dict(_good())
    names = sorted(members)
    name = names[(data[0] if data else 0) % len(names)]
    _report(pack({**members, name: data[1:]}))


@_target()
def _line(data: bytes) -> None:
    """The first byte chooses a line of the good bundle's entries, the rest replaces it; the tree is not rebuilt."""
    members = dict(_good())
    lines = members[form.ENTRIES].split(b"\n")[:-1]
    lines[(data[0] if data else 0) % len(lines)] = data[1:]
    _report(pack({**members, form.ENTRIES: b"".join(line + b"\n" for line in lines)}))


@cache
def _good() -> Mapping[str, bytes]:
    """The files of a bundle in which something of everything is."""
    return unpack(good_bundle())


@cache
def good_bundle() -> bytes:
    """A bundle of one request with all that follows from it."""
    world = World().begin(SECOND)
    request = world.ask()
    world.approve(request)
    world.end(world.session(request, world.token(request)))
    world.revoke(request)
    with tempfile.TemporaryDirectory(prefix="countersign-fuzz-") as folder:
        return world.bundle(Path(folder) / "b.zip").read_bytes()
