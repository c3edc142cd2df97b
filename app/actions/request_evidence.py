"""The evidence behind one request: what was asked, who answered, and the sign-in that stands behind each approval.

Opening it reads evidence, so it leaves an entry for each piece, committed first. What is judged here is judged by this
service; whoever doubts it takes the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.actions import checkpoints, evidence
from app.actions.reviews import review
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.trail import admit
from app.actions.trailview import Line, State, of_request, state_of
from app.actions.views import RequestView
from app.audit.evidence import EvidenceError, SignedIn, nonce_of, read_evidence
from app.identity.id_token import EVIDENCE_ALGORITHMS, IdTokenRefused, Jwks, thumbprint
from app.identity.jws import open_token
from app.storage import nodes
from app.storage.database import Transaction
from app.trail import canonical
from app.trail.proofs import verify_inclusion


@dataclass(frozen=True, slots=True)
class SignIn:
    """A countersignature read back. `holds`: the provider's key has signed the ID token; `fits`: its nonce is the hash
    of exactly this statement. `issued_at` null: the token does not say.
    """

    digest: str
    statement: Mapping[str, Any]
    claims: Mapping[str, object]
    nonce: str
    thumbprint: str
    holds: bool
    fits: bool
    issued_at: datetime | None


@dataclass(frozen=True, slots=True)
class Vote:
    """An approval: its entry, the sign-in behind it (null: erased), and its inclusion proof over the checkpoint."""

    line: Line
    sign_in: SignIn | None
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RequestEvidence:
    """All that is known of a request, for the institution's auditors."""

    view: RequestView
    state: State
    lines: tuple[Line, ...]
    votes: tuple[Vote, ...]


async def request_evidence(services: Services, visitor: Visitor, request_id: str) -> RequestEvidence:
    """The evidence of a request of the visitor's institution. Raises `Refused`: not-found, forbidden."""
    view = await review(services, visitor, request_id)
    admit(visitor, visitor.code, proving=False)
    digests = await _named(services, visitor.code, request_id)
    blobs = await evidence.read_many(services, visitor, visitor.code, digests) if digests else {}
    note = await checkpoints.checkpoint(services, visitor.code)
    async with services.database.read() as tx:
        state = await state_of(tx, visitor.code, note)
        lines = await of_request(tx, visitor.code, request_id)
        votes = tuple([await _vote(tx, visitor.code, state.size, line, blobs) for line in lines if _approves(line)])
    return RequestEvidence(view, state, lines, votes)


async def _named(services: Services, code: str, request_id: str) -> Sequence[str]:
    async with services.database.read() as tx:
        lines = await of_request(tx, code, request_id)
    return [digest for line in lines if _approves(line) for digest in line.entry.data["evidence"]]


def _approves(line: Line) -> bool:
    return line.entry.type == "decision.made" and line.entry.data["verdict"] == "approve"


async def _vote(tx: Transaction, code: str, size: int, line: Line, blobs: Mapping[str, bytes]) -> Vote:
    proof = await nodes.inclusion_proof(tx, code, line.entry.index, size)
    verify_inclusion(line.entry.index, size, bytes.fromhex(line.leaf_hash), proof.hashes, proof.root)
    read = [(digest, blobs[digest]) for digest in line.entry.data["evidence"] if digest in blobs]
    return Vote(line, _sign_in(*read[0]) if read else None, proof.hashes)


def _sign_in(digest: str, blob: bytes) -> SignIn | None:
    try:
        signed = read_evidence(blob)
    except EvidenceError:  # nothing of ours writes such; the verifier tells what is wrong with it
        return None
    if not isinstance(signed, SignedIn) or signed.statement is None:
        return None
    nonce = nonce_of(canonical.encode(dict(signed.statement)))
    claims: Mapping[str, object] = {}
    try:
        claims, print_ = (
            open_token(signed.id_token, Jwks((signed.jwk,)), EVIDENCE_ALGORITHMS).payload,
            thumbprint(signed.jwk),
        )
    except IdTokenRefused:
        print_ = ""
    issued = claims.get("iat")
    at = datetime.fromtimestamp(issued, UTC) if isinstance(issued, int) else None
    return SignIn(digest, signed.statement, claims, nonce, print_, bool(claims), claims.get("nonce") == nonce, at)
