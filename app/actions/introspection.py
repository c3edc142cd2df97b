"""Whether an approval token opens a gate now (RFC 7662): by fresh rows with MACs, read for many callers at once.

Rows alone are not believed: an older row, put back, has a MAC that holds, so the trail is asked for what has ended the
token since. Nothing is remembered but signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.actions import proving
from app.actions.callers import UNAUTHORIZED, Shown, access_token, ask, has_token, judge, reaching
from app.actions.grants import TOKEN_LABEL, token_parts
from app.actions.held import GRANT_LABEL, grant_parts
from app.actions.services import Services
from app.domain.errors import Refusal, Refused
from app.storage import checks, entries
from app.storage.checks import Asked, Found, Token
from app.storage.database import Transaction
from app.storage.grants import GrantRow, TokenRow
from app.tokens import oauth
from app.tokens.approval import Approval, open_approval
from app.tokens.clients import Caller, CredentialsRefused, Form, caller_of
from app.tokens.jwt import TokenRefused
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
    return (
        token_holds(secrets, token, grant)
        and token.revoked_at is None
        and grant.ended_at is None
        and grant.not_before <= now < grant.not_after
    )


async def ended_in_trail(tx: Transaction, token: TokenRow) -> bool:
    """Whether the trail tells that the token, or access on its request, was taken or given back."""
    told = (await entries.of_requests(tx, token.log, [token.request], checks.ENDINGS))[token.request]
    return any(each.entry.type != "token.revoked" or each.entry.data["jti"] == token.jti for each in told)
