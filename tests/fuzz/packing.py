"""Bundles packed by hand: whatever is in the files, headers, lists and seal fit, so that readers get to the files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from hashlib import sha256

from app.audit import bundleform as form
from app.audit.zipform import STORED
from app.audit.zipreader import ZipReader
from app.audit.zipwriter import ZipWriter

_LISTS = (form.MANIFEST, form.BAG_INFO, form.TAG_MANIFEST)
_LAST = (*_LISTS, form.SIGNATURE)


def unpack(bundle: bytes) -> dict[str, bytes]:
    """The files of a bundle in their order, without those that `pack` makes anew."""
    reader = ZipReader(io.BytesIO(bundle))
    return {name: reader.read(name, 1 << 30) for name in reader.members if name not in _LISTS}


def pack(files: Mapping[str, bytes]) -> bytes:
    """A bundle of these files. The signature is the old one, so the list of files is not signed."""
    writer, out = ZipWriter(), []
    out += [writer.whole(name, data) for name, data in files.items() if name != form.SIGNATURE]
    listed = sorted(name for name in files if name.startswith("data/"))
    out.append(writer.whole(form.MANIFEST, _manifest({name: files[name] for name in listed})))
    info = f"{form.SEAL}: {writer.sha256()}\n".encode()
    out.append(writer.whole(form.BAG_INFO, info, STORED))
    tags = {name: files[name] for name in form.TAG_FILES if name in files}
    tags |= {form.MANIFEST: _manifest({name: files[name] for name in listed}), form.BAG_INFO: info}
    out.append(writer.whole(form.TAG_MANIFEST, _manifest(dict(sorted(tags.items()))), STORED))
    out.append(writer.whole(form.SIGNATURE, files[form.SIGNATURE], STORED))
    return b"".join([*out, writer.finish()])


def _manifest(files: Mapping[str, bytes]) -> bytes:
    return b"".join(f"{sha256(data).hexdigest()}  {name}\n".encode() for name, data in files.items())
