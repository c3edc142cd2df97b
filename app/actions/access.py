"""API clients at the door: access tokens for those that prove who they are.

A client that fails to sign in is an event of the vendor's log: the first of its kind and client at once, later ones of
that minute as one more, so that a flood of guesses does not grow the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.actions.callers import client_of
from app.actions.grants import take_back
from app.actions.ledger import write
from app.actions.services import Services
from app.domain.events import SERVICE, Event
from app.domain.kinds import VENDOR
from app.storage import clients, institutions
from app.tokens import oauth
from app.tokens.access import read_access_token
from app.tokens.clients import Client, Credentials, CredentialsRefused, Form, read_credentials
from app.tokens.clients import authenticate as prove
from app.tokens.jwt import TokenRefused
from app.tokens.oauth import Answer, TokenEndpoint
from app.trail import canonical


async def token(services: Services, form: Form, authorization: str | None, ip: str) -> Answer:
    """The answer of `/oauth2/token`. A client that fails to sign in becomes an event first."""
    credentials = _credentials(authorization, form)
    client, now = await _load(services, credentials)
    endpoint = TokenEndpoint(services.ring, services.secrets, services.base_url)
    answer = endpoint.answer(form, credentials, client, now)
    if answer.body.get("error") == "invalid_client":
        await _record(services, client, ip)
    return answer


async def revoke(services: Services, form: Form, authorization: str | None, ip: str) -> Answer:
    """The answer of `/oauth2/revoke` (RFC 7009): an approval token taken back, or nothing, told the same way.

    Access tokens are kept nowhere and cannot be taken back: `unsupported_token_type`.
    """
    credentials = _credentials(authorization, form)
    client, now = await _load(services, credentials)
    if isinstance(credentials, CredentialsRefused) and credentials.error == "invalid_request":
        return oauth.refusal(credentials)
    proved = None if isinstance(credentials, CredentialsRefused) else prove(credentials, client, services.secrets)
    if proved is None:
        await _record(services, client, ip)
        return oauth.refusal(credentials if isinstance(credentials, CredentialsRefused) else None)
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


def _credentials(authorization: str | None, form: Form) -> Credentials | CredentialsRefused:
    try:
        return read_credentials(authorization, form)
    except CredentialsRefused as refused:
        return refused


async def _load(services: Services, credentials: Credentials | CredentialsRefused) -> tuple[Client | None, datetime]:
    """The client that the credentials name, as it is now, and now."""
    async with services.database.read() as tx:
        now = await tx.now()
        if isinstance(credentials, CredentialsRefused) or "\0" in credentials.client_id:
            return None, now
        row = await clients.of_client_id(tx, credentials.client_id)
        return None if row is None else client_of(row), now


async def _record(services: Services, client: Client | None, ip: str) -> None:
    """Tell the vendor's log, where there is one yet, that a client did not sign in."""
    async with services.database.read() as tx:
        if await institutions.read(tx, VENDOR) is None:
            return
    problem = "client-unknown" if client is None else "client-revoked" if client.disabled else "client-secret-wrong"
    key = f"client/{problem}/{'' if client is None else client.id}"
    async with write(services, VENDOR) as book:
        event = Event("client.refused", VENDOR, SERVICE, {"problem": problem}, {"ip": ip})
        await book.refuse(canonical.sha(key.encode()), event)
        await book.append()


def _is_access_token(services: Services, token: str, now: datetime) -> bool:
    try:
        read_access_token(services.ring, services.base_url, token, now)
    except TokenRefused:
        return False
    return True


def _error(code: str, description: str) -> Answer:
    return Answer(400, (), {"error": code, "error_description": description})
