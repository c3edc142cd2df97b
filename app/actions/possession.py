"""Whoever uses a bound token shows that they hold its key (RFC 9449). A proof counts once, on all replicas together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.actions.services import Services
from app.domain.errors import Refusal, Refused
from app.storage.replays import ReplayRow
from app.tokens import dpop
from app.tokens.dpop import Proof, ProofRefused


@dataclass(frozen=True, slots=True)
class Offered:
    """The `DPoP` headers of a call, its method, and its path as the world knows it."""

    proofs: tuple[str, ...]
    method: str
    path: str


async def prove(
    services: Services, offered: Offered, now: datetime, *, token: str | None = None, jkt: str | None = None
) -> str:
    """The thumbprint of the key that a call proves to hold; the proof is used up.

    `token`: the proof has to name it; `jkt`: it has to be by this key. Raises `ProofRefused`.
    """
    if len(offered.proofs) != 1:
        raise ProofRefused("there has to be one proof")
    proof = dpop.read_proof(offered.proofs[0])
    dpop.judge(proof, services.secrets, offered.method, services.page(offered.path), now, token)
    if jkt is not None and proof.jkt != jkt:
        raise ProofRefused("by another key than the token is bound to")
    await _once(services, proof, now)
    return proof.jkt


async def _once(services: Services, proof: Proof, now: datetime) -> None:
    if not await services.proofs.put(ReplayRow("dpop", proof.place, now + dpop.KEPT_FOR)):
        raise ProofRefused("used before")


async def require(
    services: Services, offered: Offered, now: datetime, *, token: str | None = None, jkt: str | None = None
) -> str:
    """The same for the API, which answers with a problem. Raises `Refused` unauthorized."""
    try:
        return await prove(services, offered, now, token=token, jkt=jkt)
    except ProofRefused as refused:
        raise Refused(refusal(services, refused, now)) from refused


async def require_now(services: Services, offered: Offered, token: str | None = None) -> str:
    """The same, for a call that has read no clock yet."""
    async with services.database.look() as tx:
        now = await tx.now()
    return await require(services, offered, now, token=token)


def refusal(services: Services, refused: ProofRefused, now: datetime) -> Refusal:
    """What the API says of a proof that does not count: the error of RFC 9449, and the nonce that would."""
    detail = "Send one DPoP proof for this call (RFC 9449), made now by the key of the token, with this nonce if any."
    extra = (("dpop_error", refused.error), ("dpop_nonce", dpop.nonce(services.secrets, now)))
    return Refusal("unauthorized", detail, extra=extra)
