"""Good input of every kind, to begin from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import orjson

from app.audit import bundleform as form
from app.trail.log import new_salt, private_part
from tests.audit.test_verify import _mail
from tests.audit.world import SECOND, World
from tests.fuzz.packing import unpack
from tests.fuzz.targets import good_bundle

Seeds = Mapping[str, tuple[bytes, ...]]


@cache
def seeds() -> Seeds:
    """Target → some good input."""
    files = unpack(good_bundle())
    leaves = tuple(files[form.ENTRIES].split(b"\n")[:-1])
    evidence = tuple(data for name, data in files.items() if name.startswith("data/evidence/"))
    checkpoint = files[form.CHECKPOINT]
    proofs = tuple(data for name, data in files.items() if name.endswith(".tlog-proof"))
    names = sorted(files)
    return {
        "note": (checkpoint, files[form.SIGNATURE], b"Text.\n\n\xe2\x80\x94 a.example AAAAAAA=\n"),
        "checkpoint": (checkpoint,),
        "vkey": tuple(files[form.KEYS].split()),
        "tile_path": (b"0/x001/x234/067", b"1/000.p/17", b"63/x999/999"),
        "proof": proofs,
        "tree": (bytes(7) + b"\5" + bytes(7) + b"\11" + bytes(range(32)) * 4,),
        "canonical": (*evidence[:2], *leaves[:3]),
        "entry": leaves,
        "private": tuple(files[form.PRIVATE].split(b"\n")[:-1]),
        "stored_private": (private_part({"reason": "Read the job.", "case_url": None}, new_salt()),),
        "evidence": evidence,
        "key_set": tuple(orjson.dumps(World(kind=kind).begin(SECOND).idp.jwks) for kind in ("EC", "OKP", "RSA")),
        "mail": (_mail(checkpoint), _mail(checkpoint, b"\n".join(checkpoint.splitlines()[:2]))),
        "bundle": (good_bundle(),),
        "member": tuple(bytes([place]) + files[name] for place, name in enumerate(names)),
        "line": tuple(bytes([place]) + leaf for place, leaf in enumerate(leaves)),
    }
