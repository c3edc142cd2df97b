"""What a verifier brings along, and signatures judged by it: keys of logs and witnesses, key sets, old checkpoints.

Keys that the bundle itself tells of (the vendor's `key.added`) are used to find contradictions, never to anchor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.audit.findings import Fault
from app.identity.id_token import IdTokenRefused, Jwks
from app.trail import note
from app.trail.checkpoint import Checkpoint, CheckpointError
from app.trail.cosignature import Cosignature, CosignerKey, verify_cosignatures
from app.trail.note import Note, NoteError, VerifierKey

STALE_S = 300


class InputError(ValueError):
    """Something the verifier was given cannot be read."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The verifier keys given with `--vkey`: of logs, and of witnesses."""

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[CosignerKey, ...]

    @classmethod
    def parse(cls, vkeys: Iterable[str]) -> KeyRing:
        """Read keys of both kinds. Raises `InputError`."""
        logs: list[VerifierKey] = []
        witnesses: list[CosignerKey] = []
        for vkey in vkeys:
            try:
                logs.append(VerifierKey.parse(vkey.strip()))
            except NoteError:
                try:
                    witnesses.append(CosignerKey.parse(vkey.strip()))
                except NoteError as error:
                    raise InputError(f"not a verifier key: {vkey!r}") from error
        return cls(tuple(logs), tuple(witnesses))

    def of(self, origin: str) -> tuple[VerifierKey, ...]:
        """The keys of one log."""
        return tuple(key for key in self.logs if key.name == origin)


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The keys of one log: given from outside, and told by the bundle."""

    origin: str
    given: tuple[VerifierKey, ...]
    told: tuple[VerifierKey, ...]

    @property
    def known(self) -> tuple[VerifierKey, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.given, *self.told)))

    def judge(self, signed: Note, what: str) -> None:
        """Raise `Fault` unless a key counts and holds: one given, where any was, else one the bundle tells of."""
        try:
            if self.known:
                note.verify(signed, self.known)
            if self.given:
                note.verify(signed, self.given)
        except NoteError as error:
            raise Fault("signature", f"{what}: {error}") from error

    def judge_list(self, signature: bytes, text: bytes) -> None:
        """Raise `Fault` unless the log has signed exactly this text, and nobody unknown has."""
        try:
            signed = note.parse(signature)
        except NoteError as error:
            raise Fault("bundle-signature", "the bundle's signature is none") from error
        if signed.text.encode() != text:
            raise Fault("bundle-signature", "the bundle's signature is of another list of files")
        self.judge(signed, "the bundle's signature")
        if self.known and any(not any(key.made(each) for key in self.known) for each in signed.signatures):
            raise Fault("bundle-signature", "a key that nobody knows has signed the bundle as well")

    def checkpoint(self, data: bytes, what: str) -> tuple[Checkpoint, Note]:
        """A checkpoint of this log. Raises `Fault`."""
        try:
            signed = note.parse(data)
            found = Checkpoint.parse(signed.text)
        except (NoteError, CheckpointError) as error:
            raise Fault("checkpoint", f"{what} is no checkpoint") from error
        if found.origin != self.origin:
            raise Fault("checkpoint", f"{what} is of another log: {found.origin}")
        self.judge(signed, what)
        return found, signed


def told_keys(publics: Iterable[str], origin: str) -> tuple[VerifierKey, ...]:
    """The keys of a log as the vendor's `key.added` tell them. Raises `Fault` for one that is no verifier key."""
    try:
        return tuple(key for key in map(VerifierKey.parse, publics) if key.name == origin)
    except NoteError as error:
        raise Fault("vendor-key", "the vendor's log tells of a key that is none") from error


def cosignatures(
    signed: Note, ring: KeyRing, quorum: int | None, last_at: datetime | None, what: str
) -> tuple[Cosignature, ...]:
    """The cosignatures of the witnesses given. Raises `Fault` when too few made one, or one is false or stale."""
    try:
        found = verify_cosignatures(signed, ring.witnesses)
    except NoteError as error:
        raise Fault("cosignature", f"{what}: {error}") from error
    wanted = len(set(ring.witnesses)) if quorum is None else quorum
    if len({each.key for each in found}) < wanted:
        raise Fault("cosignature", f"{what} is cosigned by {len(found)} of the witnesses given, {wanted} are wanted")
    if last_at is not None and any(each.time < last_at.timestamp() - STALE_S for each in found):
        raise Fault("cosignature", f"{what} was cosigned more than {STALE_S} s before its last entry")
    return found


def thumbprints(sets: Sequence[Mapping[str, Any]]) -> frozenset[str] | None:
    """The keys of key sets from outside; null where none was given. Raises `InputError`."""
    if not sets:
        return None
    try:
        return frozenset(each for keys in sets for each in Jwks.read(dict(keys)).thumbprints())
    except IdTokenRefused as error:
        raise InputError("not a key set") from error
