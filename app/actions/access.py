"""API clients at the door: access tokens for those that prove who they are, and tokens that they give back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.actions.callers import Shown
from app.actions.grants import take_back
from app.actions.possession import prove as prove_possession
from app.actions.proving import sign_in
from app.actions.services import Services
from app.tokens import dpop, oauth
from app.tokens.access import read_access_token
from app.tokens.clients import Client, Form
from app.tokens.dpop import ProofRefused
from app.tokens.jwt import TokenRefused
from app.tokens.keyfiles import KeysError
from app.tokens.oauth import Answer, TokenEndpoint


async def token(services: Services, form: Form, shown: Shown, ip: str) -> Answer:
    """The answer of `/oauth2/token`. A client that fails to sign in becomes an event first.

    With a DPoP proof the token is bound to its key (RFC 9449, section 5).
    """
    proved, now = await sign_in(services, shown, form, ip)
    jkt = None
    if isinstance(proved, Client) and shown.offered.proofs:
        try:
            jkt = await prove_possession(services, shown.offered, now)
        except ProofRefused as refused:
            return oauth.proof_refused(refused.error, dpop.nonce(services.secrets, now))
    return TokenEndpoint(services.ring, services.base_url).answer(form, proved, now, jkt)


async def revoke(services: Services, form: Form, shown: Shown, ip: str) -> Answer:
    """The answer of `/oauth2/revoke` (RFC 7009): an approval token taken back, or nothing, told the same way.

    Access tokens are kept nowhere and cannot be taken back: `unsupported_token_type`.
    """
    proved, now = await sign_in(services, shown, form, ip)
    if not isinstance(proved, Client):
        return oauth.refusal(proved)
    given = dict(form).get("token")
    if not given:
        return _error("invalid_request", "The parameter token is missing.")
    if _is_access_token(services, given, now):
        return _error("unsupported_token_type", "An access token ends by itself, ten minutes after it was given.")
    await take_back(services, proved.id, given)
    return Answer(200, (), {})


async def jwks(services: Services) -> Mapping[str, Any]:
    """The public keys of our tokens, those that count now (RFC 7517)."""
    async with services.database.read() as tx:
        return services.ring.jwks(await tx.now())


async def client_jwks(services: Services) -> Mapping[str, Any]:
    """The public keys of our own sign-in at providers, those that count now; none where none were made."""
    async with services.database.read() as tx:
        now = await tx.now()
    try:
        return services.ring.client_keys().jwks(now)
    except KeysError:
        return {"keys": []}


def _is_access_token(services: Services, token: str, now: datetime) -> bool:
    try:
        read_access_token(services.ring, services.base_url, token, now)
    except TokenRefused:
        return False
    return True


def _error(code: str, description: str) -> Answer:
    return Answer(400, (), {"error": code, "error_description": description})
