"""Reading a bundle: strict in form, capped, and never trusting what it says of itself.

`read_bundle` refuses (`BundleError`) a file that is not of the form: zip profile, names, manifests, seal. Whether each
file is what the manifests say is found out as it is read, in one pass, and kept in `Bundle.changed`; nobody may rely on
a bundle before `check_rest` has been called.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from app.audit import bundleform as form
from app.audit.zipform import STORED
from app.audit.zipreader import BundleError, ZipReader

_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9._/-]{1,255})")
_INFO = re.compile(r"([A-Za-z0-9-]{1,64}): ([ -~]{1,512})")
_MAX_MANIFEST = 250_000 * 400
_MAX_TAG = 1 << 20


class Bundle:
    """An open bundle. `changed` lists the files that are not what the manifests say."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.zip = ZipReader(file)
        self.changed: list[str] = []
        self._seen: set[str] = set()
        self._digests = self._tag_digests()
        self.info = _bag_info(self.read(form.BAG_INFO, _MAX_TAG))
        if self.read(form.BAGIT_NAME, _MAX_TAG) != form.BAGIT:
            raise BundleError("bagit.txt is not that of BagIt 1.0")
        self._check_seal()
        self._digests |= self._payload_digests()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._file.close()

    def has(self, path: str) -> bool:
        """Whether the bundle holds this file."""
        return path in self.zip.members

    def evidence(self) -> Iterator[str]:
        """The hashes (hex) of the evidence there is."""
        prefix = "data/evidence/"
        return (path.removeprefix(prefix) for path in self.zip.members if path.startswith(prefix))

    def proofs(self, *, vendor: bool = False) -> set[str]:
        """The paths of the inclusion proofs there are."""
        prefix = form.proof_path(0, vendor=vendor).removesuffix("0.tlog-proof")
        return {path for path in self.zip.members if path.startswith(prefix)}

    def read(self, path: str, cap: int) -> bytes:
        """A file's bytes. Raises `BundleError` when it is missing, broken or longer than `cap`."""
        data = self.zip.read(path, cap)
        self._judge(path, hashlib.sha256(data).hexdigest())
        return data

    def lines(self, path: str, cap: int) -> Iterator[bytes]:
        """A file's lines without their ends; each ends with a newline, none is longer than `cap`."""
        digest, rest = hashlib.sha256(), b""
        for piece in self.zip.pieces(path):
            digest.update(piece)
            *whole, rest = (rest + piece).split(b"\n")
            if len(rest) > cap or max(map(len, whole), default=0) > cap:
                raise BundleError(f"a line of {path} is longer than {cap} bytes")
            yield from whole
        if rest:
            raise BundleError(f"the last line of {path} has no end")
        self._judge(path, digest.hexdigest())

    def check_rest(self) -> None:
        """Compare with the manifests every file that was not read yet."""
        for path in self._digests.keys() - self._seen:
            digest = hashlib.sha256()
            for piece in self.zip.pieces(path):
                digest.update(piece)
            self._judge(path, digest.hexdigest())

    def _judge(self, path: str, digest: str) -> None:
        self._seen.add(path)
        if self._digests[path] != digest and path not in self.changed:
            self.changed.append(path)

    def _tag_digests(self) -> dict[str, str]:
        self.tag_manifest = self.zip.read(form.TAG_MANIFEST, _MAX_TAG)
        self.signature = self.zip.read(form.SIGNATURE, form.MAX_NOTE)
        digests = _manifest(self.tag_manifest, form.TAG_MANIFEST)
        if digests.keys() != form.TAG_FILES:
            raise BundleError("tagmanifest-sha256.txt does not list the tag files")
        return digests

    def _payload_digests(self) -> dict[str, str]:
        digests = _manifest(self.read(form.MANIFEST, _MAX_MANIFEST), form.MANIFEST)
        payload = self.zip.members.keys() - form.TAG_FILES - {form.TAG_MANIFEST, form.SIGNATURE}
        if digests.keys() != payload:
            odd = min(digests.keys() ^ payload)
            raise BundleError(f"{odd} is in the manifest or in the bundle, but not in both")
        for path in payload:
            if not form.PAYLOAD.fullmatch(path):
                raise BundleError(f"{path} has no place in a bundle")
        return digests

    def _check_seal(self) -> None:
        stop = self.zip.members[form.BAG_INFO].offset
        loose = [each for each in self.zip.members.values() if each.offset >= stop and each.method != STORED]
        digest = hashlib.sha256()
        for piece in self.zip.raw(0, stop):
            digest.update(piece)
        if form.SEAL in self.info and (loose or self.info[form.SEAL] != digest.hexdigest()):
            raise BundleError("the zip file was changed after it was sealed")


def read_bundle(path: Path) -> Bundle:
    """Open a bundle. Raises `BundleError` when it is none, `OSError` when the file cannot be read."""
    file = path.open("rb")
    try:
        return Bundle(file)
    except BaseException:
        file.close()
        raise


def _manifest(data: bytes, name: str) -> dict[str, str]:
    """Path → hex digest of a manifest in its one form: sorted, each path once."""
    digests: dict[str, str] = {}
    last = ""
    for line in _text_lines(data, name):
        match = _LINE.fullmatch(line)
        if match is None or match[2] <= last:
            raise BundleError(f"a line of {name} is not of its form or out of order")
        last = match[2]
        digests[last] = match[1]
    return digests


def _bag_info(data: bytes) -> Mapping[str, str]:
    info: dict[str, str] = {}
    for line in _text_lines(data, form.BAG_INFO):
        match = _INFO.fullmatch(line)
        if match is None or match[1] in info:
            raise BundleError("a line of bag-info.txt is not of its form")
        info[match[1]] = match[2]
    return info


def _text_lines(data: bytes, name: str) -> list[str]:
    if not data.isascii() or not data.endswith(b"\n"):
        raise BundleError(f"{name} is not lines of text")
    return data.decode().removesuffix("\n").split("\n")
