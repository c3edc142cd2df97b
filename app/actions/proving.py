"""A client proves who it is: by a secret, or by an assertion that it signed and that counts once (RFC 7523).

One that fails is an event of the vendor's log: the first of its kind and client at once, later ones of that minute as
one more, so that a flood of guesses does not grow the log.
"""

from __future__ import annotations

from datetime import datetime

from app.actions import tries
from app.actions.callers import Shown, ask
from app.actions.clientrows import client_of
from app.actions.ledger import write
from app.actions.services import Services
from app.domain.events import SERVICE, Event
from app.domain.kinds import VENDOR
from app.identity.errors import IdTokenRefused
from app.identity.jws import Jwks, open_token
from app.storage import institutions
from app.storage.checks import Asked, Found
from app.storage.replays import ReplayRow
from app.tokens import assertion
from app.tokens.assertion import AssertionRefused
from app.tokens.clients import Client, Credentials, CredentialsRefused, Form, authenticate, read_credentials
from app.trail import canonical

_ENDPOINTS = ("/oauth2/token", "/oauth2/introspect", "/oauth2/revoke")


async def sign_in(
    services: Services, shown: Shown, form: Form, ip: str
) -> tuple[Client | CredentialsRefused | None, datetime]:
    """The client that proved who it is, or why there is none (null: unknown, or nothing proved), and now."""
    credentials = read(shown, form)
    if isinstance(credentials, CredentialsRefused):
        found = await ask(services, Asked())
        if credentials.error == "invalid_client":
            await _record(services, None, ip)
        return credentials, found.now
    found = await ask(services, Asked(client_id=credentials.client_id))
    return await judge(services, credentials, found, ip), found.now


def read(shown: Shown, form: Form) -> Credentials | CredentialsRefused:
    """What a call brought to sign in with."""
    try:
        return read_credentials(shown.authorization, form)
    except CredentialsRefused as refused:
        return refused


async def judge(services: Services, credentials: Credentials, found: Found, ip: str) -> Client | None:
    """The client found, if the credentials prove that it calls; else an event."""
    client = client_of(services.secrets, found.client)
    proved = await prove(services, credentials, client, found.now)
    if proved is None:
        await _record(services, client, ip)
    return proved


async def prove(services: Services, credentials: Credentials, client: Client | None, now: datetime) -> Client | None:
    """The client, if it proved who it is. Raises `Unavailable` where its keys cannot be fetched."""
    if credentials.assertion is None:
        return authenticate(credentials, client, services.secrets)
    if client is None or client.disabled or client.client_id != credentials.client_id:
        return None
    try:
        once = await _judge(services, credentials.assertion, client, now)
    except (IdTokenRefused, AssertionRefused):
        return None
    taken = await services.proofs.put(ReplayRow("client-assertion", once.place, once.until))
    return client if taken else None


async def _judge(services: Services, text: str, client: Client, now: datetime) -> assertion.Once:
    """Signature first, then what it claims. Raises `IdTokenRefused`, `AssertionRefused`."""

    def by(keys: Jwks) -> dict[str, object]:
        return open_token(text, keys, assertion.ALGORITHMS).payload

    if client.jwks_uri is not None:
        claims = await services.provider.key_sets.open(client.jwks_uri, now, by)
    else:
        claims = by(Jwks.read(client.jwks))
    audiences = frozenset({services.base_url, *map(services.page, _ENDPOINTS)})
    return assertion.check(claims, client.client_id, audiences, now)


async def _record(services: Services, client: Client | None, ip: str) -> None:
    """Tell the vendor's log, where there is one yet, that a client did not sign in.

    Raises `Refused` too-many-requests, with nothing told, where too many did from this address.
    """
    await tries.failed_proof(services, ip)
    async with services.database.read() as tx:
        if await institutions.read(tx, VENDOR) is None:
            return
    problem = "client-unknown" if client is None else "client-revoked" if client.disabled else "client-secret-wrong"
    key = f"client/{problem}/{'' if client is None else client.id}"
    async with write(services, VENDOR) as book:
        event = Event("client.refused", VENDOR, SERVICE, {"problem": problem}, {"ip": ip})
        await book.refuse(canonical.sha(key.encode()), event)
        await book.append()
