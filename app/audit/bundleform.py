"""What stands in a bundle, and in what form (`trail-format.md`, "Bundle"; BagIt 1.0, RFC 8493).

Beyond the contract's table this fixes what it leaves open:

* Members come in this order: `bagit.txt`, entries, private parts, evidence (rising by hash), checkpoint, proofs (rising
  by index), the same for `data/vendor`, `export.json`, `verifier-keys.txt`, `README.txt`, `manifest-sha256.txt`,
  `bag-info.txt`, `tagmanifest-sha256.txt` and its signature. The last three are stored, never deflated.
* `bag-info.txt` carries `Zip-Members-SHA256`: the SHA-256 of every byte of the zip file before the header of
  `bag-info.txt`. Deflate can say the same in several ways; this binds the one that was written, under the signature.
  A bundle packed again by another tool may lack the line; where it stands it must be right.
* A proof is a C2SP tlog-proof v1 (https://c2sp.org/tlog-proof) without an `extra` line, its checkpoint the very
  bytes of the `checkpoint` beside the folder.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
EXPORT_VERSION = "countersign/export/1"
MAX_BLOB = 2 << 20
MAX_LINE = 2 << 20
MAX_NOTE = 1 << 20
SEAL = "Zip-Members-SHA256"

ENTRIES, PRIVATE, CHECKPOINT = "data/entries.jsonl", "data/private.jsonl", "data/checkpoint"
VENDOR_ENTRIES, VENDOR_CHECKPOINT = "data/vendor/entries.jsonl", "data/vendor/checkpoint"
EXPORT, KEYS, README_NAME = "data/export.json", "data/verifier-keys.txt", "README.txt"
BAGIT_NAME, BAG_INFO, MANIFEST = "bagit.txt", "bag-info.txt", "manifest-sha256.txt"
TAG_MANIFEST, SIGNATURE = "tagmanifest-sha256.txt", "tagmanifest-sha256.txt.sig"
TAG_FILES = frozenset({BAGIT_NAME, BAG_INFO, MANIFEST, README_NAME})

PAYLOAD = re.compile(
    r"data/(?:entries\.jsonl|private\.jsonl|checkpoint|export\.json|verifier-keys\.txt|evidence/[0-9a-f]{64}"
    r"|vendor/(?:entries\.jsonl|checkpoint)|(?:vendor/)?proof/(?:0|[1-9][0-9]{0,15})\.tlog-proof)",
)
_PROOF_HEAD = b"c2sp.org/tlog-proof@v1\nindex "
_INDEX = re.compile(rb"0|[1-9][0-9]{0,15}")

README = """\
WHAT THIS IS

This is a bundle of Countersign: a copy of one institution's audit trail, made so that you can check it yourself,
without the service, without a network and without believing the people who run it.

HOW TO CHECK IT

    countersign verify {name} --vkey KEY --enrolment CODE --idp-jwks FILE [--receipt MAIL.eml]

Take what stands in capitals from your own side, never from here:

  KEY    the log's verifier key, as you noted it earlier or as somebody you trust gives it to you. The copy in
         data/verifier-keys.txt is only for comparing: whoever could forge this bundle could forge that file as well.
  CODE   the enrolment code that the institution was given when it joined, on another road than this service.
  FILE   the signing keys of the institution's identity provider, as the provider itself publishes them (its JWKS).
  MAIL   any mail of Countersign that you kept. It holds a receipt, and proves that the trail still contains what it
         contained that day. Give as many as you like.

The answer is 0 when nothing is wrong and all three were given, 3 when nothing is wrong but something was not given (the
bundle is then consistent in itself, which is less), 1 when something is wrong, with the number of the entry, and 2
when the file cannot be read.

WHAT IS IN IT

  data/entries.jsonl   the entries of the trail, one a line, exactly as they were hashed
  data/private.jsonl   what is personal in them (names, reasons, comments); each entry commits to its own by a hash
  data/evidence/       the sign-ins at the identity provider that stand behind approvals, and other evidence
  data/checkpoint      the log's signature over the number of entries and their root hash
  data/proof/          only in a bundle about one request: for each entry, the proof that it stands in the log
  data/vendor/         the entries of the vendor's own log that this trail relies on
  data/export.json     who made this bundle, when, and of what

{scope}
"""
WHOLE = "This bundle holds every entry of the trail up to the export that made it."
PART = """\
This bundle holds the entries about one access request only. It proves that they stand in the log and that the request
followed the rules; it cannot prove that nothing else happened."""


class FormError(ValueError):
    """Bytes that are not of the form; the message says which."""


def write_proof(index: int, hashes: Sequence[bytes], checkpoint: bytes) -> bytes:
    """The tlog-proof of one entry."""
    lines = b"".join(b64encode(each) + b"\n" for each in hashes)
    return _PROOF_HEAD + b"%d\n" % index + lines + b"\n" + checkpoint


def read_proof(data: bytes, checkpoint: bytes) -> tuple[int, tuple[bytes, ...]]:
    """Index and hashes of a tlog-proof over exactly this checkpoint. Raises `FormError`."""
    head, _, note = data.partition(b"\n\n")
    lines = head.removeprefix(_PROOF_HEAD).split(b"\n")
    if not head.startswith(_PROOF_HEAD) or note != checkpoint or not _INDEX.fullmatch(lines[0]) or len(lines) > 64:
        raise FormError("not a proof over this checkpoint")
    try:
        hashes = tuple(b64decode(line, validate=True) for line in lines[1:])
    except Base64Error as error:
        raise FormError("a hash of a proof is not base64") from error
    if write_proof(int(lines[0]), hashes, checkpoint) != data or any(len(each) != 32 for each in hashes):
        raise FormError("a proof is not in its one form")
    return int(lines[0]), hashes


def proof_path(index: int, *, vendor: bool = False) -> str:
    """Where the proof of an entry stands."""
    return f"data/{'vendor/' if vendor else ''}proof/{index}.tlog-proof"
