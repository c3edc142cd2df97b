"""Bindings: the one account at the provider that counts as a person, and the sign-in that proves it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

from app.actions.journey import Proof
from app.actions.ledger import Ledger
from app.actions.services import Services
from app.audit.evidence import binding_blob, input_blob
from app.domain.events import SERVICE, Actor, Event
from app.domain.statement import sub_input
from app.identity.id_token import VerifiedIdentity, thumbprint
from app.identity.provider import PublishedKeys
from app.storage import objects, roster
from app.storage.objects import EvidenceRow
from app.trail import canonical
from app.trail.log import new_salt


@dataclass(frozen=True, slots=True)
class Binding:
    """The evidence of a sign-in, as a session or a waiting binding keeps it."""

    blob: bytes
    thumbprints: tuple[str, ...]
    jwks: bytes

    @property
    def digest(self) -> str:
        """Its name in entries."""
        return canonical.sha(self.blob)


async def bind(
    book: Ledger, person: str, identity: VerifiedIdentity, binding: Binding, confirmed_by: str | None
) -> bool:
    """Bind a person to the account of an identity, with its evidence; false where account or evidence are taken."""
    if not await roster.bind(book.tx, book.code, person, identity.iss, identity.sub):
        return False
    await keep_keys(book, binding)
    if not await objects.put(book.tx, EvidenceRow(book.code, binding.digest, binding.blob)):
        return False
    book.add(bound_event(person, identity.iss, identity.sub, binding.digest, confirmed_by))
    return True


def bound_event(person: str, iss: str, sub: str, digest: str, confirmed_by: str | None) -> Event:
    """`person.bound`, with the subject in its private part."""
    salt = new_salt()
    data = {
        "iss": iss,
        "sub_digest": canonical.sha(canonical.encode(sub_input(sub, salt))),
        "confirmed_by": confirmed_by,
        "evidence": [digest],
    }
    actor = SERVICE if confirmed_by is None else Actor("person", confirmed_by)
    return Event("person.bound", person, actor, data, {"sub": sub, "sub_salt": salt})


async def keep_keys(book: Ledger, binding: Binding) -> None:
    """Record the provider's keys, where the trail has not seen one of them yet, before anything relies on them."""
    issuer = book.institution.provider.issuer
    if set(binding.thumbprints) <= book.institution.keys_seen.get(issuer, frozenset()):
        return
    blob = input_blob("application/jwk-set+json", binding.jwks)
    digest = canonical.sha(blob)
    await objects.put(book.tx, EvidenceRow(book.code, digest, blob))
    data = {"issuer": issuer, "thumbprints": list(binding.thumbprints), "evidence": [digest]}
    book.add(Event("identity_provider.keys_seen", book.code, SERVICE, data))


def binding_of(proof: Proof) -> Binding:
    """The evidence of a proof's sign-in."""
    blob = binding_blob(proof.id_token, proof.identity.jwk)
    return Binding(blob, _thumbprints(proof.keys, proof.identity), proof.keys.body)


def _thumbprints(keys: PublishedKeys, identity: VerifiedIdentity) -> tuple[str, ...]:
    return tuple(sorted({*keys.jwks.thumbprints(), thumbprint(identity.jwk)}))


def keep_binding(services: Services, binding: Binding) -> dict[str, Any]:
    """A binding as a session keeps it until the enrolment is confirmed: sealed."""
    sealed = [services.secrets.seal("session/binding", part) for part in (binding.blob, binding.jwks)]
    blob, jwks = (b64encode(part).decode() for part in sealed)
    return {"blob": blob, "jwks": jwks, "thumbprints": list(binding.thumbprints)}


def open_binding(services: Services, kept: dict[str, Any]) -> Binding:
    """What `keep_binding` kept."""
    blob, jwks = (services.secrets.open("session/binding", b64decode(kept[name])) for name in ("blob", "jwks"))
    return Binding(blob, tuple(kept["thumbprints"]), jwks)
