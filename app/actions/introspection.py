"""Whether an approval token opens a gate now (RFC 7662): by fresh rows with MACs, read for many callers at once.

Rows alone are not believed: an older row, put back, has a MAC that holds, so the trail is asked for what has ended the
token since. Nothing is remembered but signatures.
"""

from __future__ import annotations

import hmac
from asyncio import Future
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.actions import proving
from app.actions.callers import UNAUTHORIZED, Shown, access_token, ask, has_token, judge, reaching
from app.actions.clientrows import client_of
from app.actions.grant_rows import GRANT_LABEL, grant_parts
from app.actions.minted import TOKEN_LABEL, token_parts
from app.actions.services import Services
from app.domain.errors import Refusal, Refused
from app.storage import checks, entries
from app.storage.checks import Asked, Found, Token
from app.storage.database import Transaction
from app.storage.grants import GrantRow, TokenRow
from app.tokens import oauth
from app.tokens.approval import Approval, open_approval
from app.tokens.clients import Caller, Client, CredentialsRefused, Form, caller_of
from app.tokens.jwt import TokenRefused, check_key
from app.tokens.oauth import Answer
from app.tokens.secrets import Secrets

INACTIVE: Mapping[str, Any] = {"active": False}
SCOPE = "introspect"


async def answer(services: Services, shown: Shown, form: Form | None, ip: str) -> dict[str, Any] | Answer:
    """What a call gets that brings a token in a form (null: one that cannot be read); an `Answer` refuses its client.

    Who asks has an access token, or proves who it is as at the token endpoint (RFC 7662, section 2.1).
    Raises `Refused`: unauthorized, insufficient-scope, then malformed.
    """
    given = [] if form is None else [value for name, value in form if name == "token"]
    read = opened(services, given[0]) if len(given) == 1 else None
    jti = None if read is None else read.jti
    if has_token(shown):
        bearer = access_token(services, shown)
        found = await ask(services, Asked(cli=bearer.cli, jti=jti))
        caller = await judge(services, shown, bearer, found, SCOPE)
    else:
        credentials = proving.read(shown, form or ())
        if isinstance(credentials, CredentialsRefused):
            raise Refused(UNAUTHORIZED)
        found = await ask(services, Asked(client_id=credentials.client_id, jti=jti))
        client = await proving.judge(services, credentials, found, ip)
        if client is None:
            return oauth.refusal(None)
        caller = reaching(caller_of(client), SCOPE)
    if len(given) != 1:
        raise Refused(Refusal("malformed", "Give the parameter token once, in a form that can be read."))
    return await _claims(services, caller, read, found)


@dataclass(frozen=True, slots=True)
class Brought:
    """A call that could be read: by a client with its secret, about one token that opens whenever it is valid."""

    asked: Asked
    secret: str = field(repr=False)
    read: Approval

    @property
    def told(self) -> dict[str, Any]:
        """The answer, if the token is good."""
        return _told(self.read)


class Plainly:
    """The plain yes of `answer`, for whoever has no task to wait in; by the same rules, from the same read.

    Remembered is which rows this service wrote, and that by the very object of the read: a row in which anything
    differs is another.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._clients: dict[str, tuple[checks.Client, Client | None]] = {}
        self._tokens: dict[str, Token] = {}
        self._at: datetime | None = None
        self._headers: set[str] = set()

    def read(self, shown: Shown, form: Form) -> Brought | None:
        """What a call brought; null where it is to be answered by `answer`."""
        given = [value for name, value in form if name == "token"]
        credentials = proving.read(shown, form)
        if len(given) != 1 or has_token(shown) or isinstance(credentials, CredentialsRefused) or credentials.assertion:
            return None
        read = opened(self._services, given[0])
        if read is None:
            return None
        secret = self._services.secrets.hash_secret(credentials.secret)
        return Brought(Asked(client_id=credentials.client_id, jti=read.jti), secret, read)

    def ask(self, brought: Brought) -> Future[Found | None]:
        """What there is now, from a read that begins after this call."""
        return self._services.checks.ask(brought.asked)

    def holds(self, brought: Brought, found: Found | None) -> bool:
        """Whether the answer is plainly yes."""
        if found is None or found.client is None or found.token is None or found.token.ended:
            return False
        client, read = self._client(found.client), brought.read
        if client is None or client.disabled or SCOPE not in client.scopes:
            return False
        if sum(hmac.compare_digest(brought.secret, known) for known in client.secret_hashes) == 0:
            return False
        try:
            self._check_key(read, found.now)
            read.check_life(found.now, client.audiences)
        except TokenRefused:
            return False
        return found.token.row.digest == read.digest and self._goes_on(found.token, found.now)

    def _check_key(self, read: Approval, now: datetime) -> None:
        """Once for each key and read: keys are files, and a group's callers have the very same instant."""
        if self._at is not now:
            self._at = now
            self._headers.clear()
        header = read.token.partition(".")[0]
        if header not in self._headers:
            check_key(self._services.ring, read.token, now)
            self._headers.add(header)

    def _client(self, found: checks.Client) -> Client | None:
        known = self._clients.get(found.row.id)
        if known is None or known[0] is not found:
            known = self._clients[found.row.id] = (found, client_of(self._services.secrets, found))
        return known[1]

    def _goes_on(self, found: Token, now: datetime) -> bool:
        if self._tokens.get(found.row.jti) is not found:
            if not token_holds(self._services.secrets, found.row, found.grant):
                return False
            if len(self._tokens) >= checks.MET:
                self._tokens.clear()
            self._tokens[found.row.jti] = found
        return _is_within(found.row, found.grant, now)


async def introspect(services: Services, caller: Caller, token: str) -> dict[str, Any]:
    """The claims of a token that opens a gate of this caller's now, else exactly `{"active": false}`."""
    read = opened(services, token)
    return (
        dict(INACTIVE)
        if read is None
        else await _claims(services, caller, read, await ask(services, Asked(jti=read.jti)))
    )


async def _claims(services: Services, caller: Caller, read: Approval | None, found: Found) -> dict[str, Any]:
    if read is None or not await is_open(services, caller, read, found.token, found.now):
        return dict(INACTIVE)
    return _told(read)


def _told(read: Approval) -> dict[str, Any]:
    return {"active": True, "token_type": "Bearer" if read.jkt is None else "DPoP", **read.claims}


def opened(services: Services, token: str) -> Approval | None:
    """The approval token, whenever it is valid; null for what is none of ours."""
    try:
        return open_approval(services.ring, services.base_url, token)
    except TokenRefused:
        return None


async def is_open(services: Services, caller: Caller, read: Approval, found: Token | None, now: datetime) -> bool:
    """Whether a token is good for this caller now, by its rows and, where that may have ended it, by the trail."""
    try:
        read.check(services.ring, now, caller.audiences)
    except TokenRefused:
        return False
    if (
        found is None
        or found.row.digest != read.digest
        or not _rows_hold(services.secrets, found.row, found.grant, now)
    ):
        return False
    if not found.ended:
        return True
    async with services.database.read() as tx:
        return not await ended_in_trail(tx, found.row)


def token_holds(secrets: Secrets, token: TokenRow, grant: GrantRow) -> bool:
    """Whether both rows are ones that this service wrote."""
    return secrets.mac_holds(token.mac, TOKEN_LABEL, *token_parts(token)) and secrets.mac_holds(
        grant.mac, GRANT_LABEL, *grant_parts(grant)
    )


def _rows_hold(secrets: Secrets, token: TokenRow, grant: GrantRow, now: datetime) -> bool:
    """Whether both rows are ours, and neither is over."""
    return token_holds(secrets, token, grant) and _is_within(token, grant, now)


def _is_within(token: TokenRow, grant: GrantRow, now: datetime) -> bool:
    return token.revoked_at is None and grant.ended_at is None and grant.not_before <= now < grant.not_after


async def ended_in_trail(tx: Transaction, token: TokenRow) -> bool:
    """Whether the trail tells that the token, or access on its request, was taken or given back."""
    told = (await entries.of_requests(tx, token.log, [token.request], checks.ENDINGS))[token.request]
    return any(each.entry.type != "token.revoked" or each.entry.data["jti"] == token.jti for each in told)
