"""Signed notes (C2SP signed-note v1.0.0, https://c2sp.org/signed-note), read strictly, with Ed25519 keys.

A note is text that ends with a newline, a blank line, and signature lines. Signatures of unknown keys are ignored; one
of a known key that fails rejects the note. Which keys are known is the caller's say, never the note's.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import ClassVar, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_NOTE = 2**20
MAX_SIGNATURES = 100

# Key names, and so origins: no white space, plus sign, control character or lone surrogate.
NAME = r"[^\s+\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
_NAME = re.compile(NAME)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_LINE = re.compile(rf"— ({NAME}) (\S+)")
_VKEY = re.compile(rf"({NAME})\+([0-9a-f]{{8}})\+(\S+)")


class NoteError(ValueError):
    """Not a signed note, not a key, or not signed by the keys asked for."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: `key_id` are 4 bytes, `payload` is what the key's algorithm says."""

    name: str
    key_id: bytes
    payload: bytes

    def line(self) -> str:
        """The line with its newline."""
        return f"— {self.name} {b64encode(self.key_id + self.payload).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note, read but not yet verified. `text` ends with its newline."""

    text: str
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """The note as written; what `parse` accepts comes back byte for byte."""
        return f"{self.text}\n{''.join(each.line() for each in self.signatures)}".encode()


@dataclass(frozen=True, slots=True)
class Key:
    """A public Ed25519 key under its name. Raises `NoteError` for a name or key that cannot be."""

    ALGORITHM: ClassVar[int]

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.public) != 32:
            raise NoteError("not a key")

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key)."""
        return sha256(self.name.encode() + b"\n" + self._encoded()).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as people pass it on: `name+<8 hex>+<base64>`."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(self._encoded()).decode()}"

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a `vkey` of this algorithm; `NoteError` for anything else."""
        match = _VKEY.fullmatch(vkey)
        if match is None:
            raise NoteError("not a key")
        encoded = from_base64(match[3])
        key = cls(match[1], encoded[1:])
        if encoded[0] != cls.ALGORITHM or key.key_id.hex() != match[2]:
            raise NoteError("not a key")
        return key

    def made(self, signature: Signature) -> bool:
        """Whether the line claims to be of this key."""
        return signature.name == self.name and signature.key_id == self.key_id

    def check(self, message: bytes, signature: bytes) -> None:
        """Raise `NoteError` unless `signature` is this key's Ed25519 signature of `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise NoteError("a signature fails") from error

    def _encoded(self) -> bytes:
        return bytes([self.ALGORITHM]) + self.public


@dataclass(frozen=True, slots=True)
class VerifierKey(Key):
    """A key that signs note texts as they stand (algorithm 0x01)."""

    ALGORITHM = 0x01


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under its name."""

    name: str
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> Signer:
        """A signer from the 32 raw bytes of an Ed25519 private key."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())

    def sign(self, text: str) -> Signature:
        """The signature line for a note text."""
        return Signature(self.name, self.verifier.key_id, self.private.sign(text.encode()))


def sign(text: str, signers: Sequence[Signer]) -> bytes:
    """The note over `text` with one signature of each signer; `NoteError` where `parse` would refuse it."""
    try:
        data = Note(text, tuple(signer.sign(text) for signer in signers)).to_bytes()
    except UnicodeEncodeError as error:
        raise NoteError("not a note") from error
    if parse(data).text != text:
        raise NoteError("not a note")
    return data


def parse(data: bytes) -> Note:
    """Read a note without judging its signatures; `NoteError` for anything but the one form."""
    if len(data) > MAX_NOTE:
        raise NoteError("not a note")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise NoteError("not a note") from error
    text, blank, block = whole.rpartition("\n\n")
    if not blank or not block.endswith("\n") or _CONTROL.search(whole):
        raise NoteError("not a note")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError("not a note")
    return Note(text + "\n", tuple(_signature(line) for line in lines))


def verify(note: Note, keys: Sequence[VerifierKey]) -> tuple[VerifierKey, ...]:
    """Those of `keys` that signed the note. Raises `NoteError` when there are none, or when one's signature fails."""
    signed = [(key, each) for key in keys for each in note.signatures if key.made(each)]
    if not signed:
        raise NoteError("no known key has signed")
    for key, each in signed:
        key.check(note.text.encode(), each.payload)
    return tuple(dict.fromkeys(key for key, _ in signed))


def from_base64(text: str) -> bytes:
    """Decode canonical, padded, non-empty base64; `NoteError` for any other spelling."""
    try:
        data = b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise NoteError("not canonical base64") from error
    if not data or b64encode(data).decode() != text:
        raise NoteError("not canonical base64")
    return data


def _signature(line: str) -> Signature:
    match = _LINE.fullmatch(line)
    if match is None:
        raise NoteError("not a note")
    blob = from_base64(match[2])
    if len(blob) < 5:
        raise NoteError("not a note")
    return Signature(match[1], blob[:4], blob[4:])
