"""Approval tokens: minted under a grant that the trail itself gives, and taken back at once.

A row in the database gives nothing. Before a token is minted, request and grant are derived again from the request's
own entries and their countersignatures, and every row that the token is made from has to say the same. Nor do entries
alone give anything: whoever can write all rows can write a story that holds together, but not the MAC of its grant,
whose key is not in the database.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from app.actions.held import Held, grant_row, hold
from app.actions.ledger import lock, unwrap
from app.actions.requests import hold_served
from app.actions.services import Services
from app.audit.derive import Derived
from app.domain.errors import Refusal
from app.domain.events import Actor, Event
from app.domain.request import AccessRequest, Grant, may_mint
from app.storage import clients, grants
from app.storage.grants import TokenRow
from app.tokens import approval
from app.tokens.approval import SupportAccess
from app.tokens.clients import Caller
from app.tokens.jwt import TokenRefused
from app.tokens.secrets import Secrets
from app.trail import canonical

TOKEN_LABEL = "row/token"  # noqa: S105 -- the label of a MAC, no secret


@dataclass(frozen=True, slots=True)
class Minted:
    """A new approval token; it is shown once and stored nowhere."""

    access_token: str
    token_type: str
    expires_in: int
    expires_at: datetime


async def mint(services: Services, caller: Caller, request_id: str, jkt: str | None = None) -> Minted:
    """A token under the request's open grant; `jkt`: the key it is bound to.

    Raises `Refused`: not-found, not-approved, window-not-open, grant-ended, grant-not-derivable; each is an event.
    """
    async with services.database.begin() as tx:
        held = await hold_served(services, tx, caller, request_id)
        held.book.trust_clock()
        outcome = await _mint(held, caller, jkt)
        if isinstance(outcome, Refusal):
            await _refused(held, caller, outcome.problem)
        await held.store()
    return unwrap(outcome)


async def _mint(held: Held, caller: Caller, jkt: str | None) -> Minted | Refusal:
    grant = may_mint(held.request, held.book.now)
    if isinstance(grant, Refusal):
        return grant
    book = held.book
    derived = await book.services.derivations.derive(book.tx, book.code, held.request.id)
    if isinstance(derived, Refusal):
        return derived
    if not await _same(held, grant, derived):
        return Refusal("grant-not-derivable", "What the database says is not what the trail gives.")
    return await _signed(held, caller, grant, jkt)


async def _same(held: Held, grant: Grant, derived: Derived) -> bool:
    """Whether the rows say what the trail gives, and the grant's row is one that this service wrote."""
    secrets, row, request = held.book.services.secrets, held.row, derived.request
    return (
        derived.institution == held.book.institution
        and request == AccessRequest.from_data(row.state)
        and (request.environment, request.engineer) == (row.environment, secrets.engineer_id(row.engineer_id))
        and await grants.of_request(held.book.tx, row.log, row.id) == grant_row(secrets, row, grant)
    )


async def _signed(held: Held, caller: Caller, grant: Grant, jkt: str | None) -> Minted | Refusal:
    book, request = held.book, held.request
    audience = book.institution.environments[request.environment].audience
    minted = approval.mint(
        book.services.ring,
        book.services.base_url,
        access=SupportAccess(
            institution=book.code,
            environment=request.environment,
            account=request.account,
            case=request.case_number,
            roles=grant.roles,
            request=request.id,
            grant=grant.id,
        ),
        audience=audience,
        engineer=held.row.engineer_id,
        client_id=caller.client_id,
        not_before=grant.not_before,
        not_after=grant.not_after,
        ttl_minutes=book.institution.policy.token_ttl_minutes,
        now=book.now,
        jkt=jkt,
    )
    if isinstance(minted, Refusal):
        return minted
    await grants.add_token(book.tx, _token_row(book.services.secrets, held, caller, grant.id, audience, minted, jkt))
    data = {
        "grant": grant.id,
        "jti": minted.jti,
        "token_digest": minted.digest,
        "iat": minted.iat,
        "nbf": minted.nbf,
        "exp": minted.exp,
        "bound": jkt is not None,
    }
    held.tell(Event("token.issued", request.id, Actor("client", caller.cli), data))
    expires_at = datetime.fromtimestamp(minted.exp, UTC)
    return Minted(
        minted.token, "Bearer" if jkt is None else "DPoP", minted.exp - math.floor(book.now.timestamp()), expires_at
    )


def _token_row(
    secrets: Secrets, held: Held, caller: Caller, grant: str, audience: str, minted: approval.Minted, jkt: str | None
) -> TokenRow:
    row = TokenRow(
        log=held.book.code,
        jti=minted.jti,
        grant=grant,
        request=held.request.id,
        client=caller.cli,
        audience=audience,
        digest=minted.digest,
        jkt=jkt,
        iat=minted.iat,
        nbf=minted.nbf,
        exp=minted.exp,
        revoked_at=None,
        mac=b"",
    )
    return _sealed(secrets, row)


def _sealed(secrets: Secrets, row: TokenRow) -> TokenRow:
    return replace(row, mac=secrets.mac(TOKEN_LABEL, *token_parts(row)))


def token_parts(row: TokenRow) -> list[str]:
    """What the MAC of a token's row covers, in order."""
    times = (str(row.iat), str(row.nbf), str(row.exp), "" if row.revoked_at is None else row.revoked_at.isoformat())
    names = (row.log, row.jti, row.grant, row.request, row.client, row.audience, row.digest, row.jkt or "")
    return [*names, *times]


async def _refused(held: Held, caller: Caller, problem: str) -> None:
    event = Event("token.refused", held.request.id, Actor("client", caller.cli), {"problem": problem})
    key = f"token/{held.request.id}/{caller.cli}/{problem}"
    await held.book.refuse(canonical.sha(key.encode()), event)


async def take_back(services: Services, cli: str, token: str) -> None:
    """RFC 7009: a client gives back a token that it obtained; for any other nothing happens, and nothing is told."""
    async with services.database.begin() as tx:
        now = await tx.now()
        try:
            read = approval.verify(services.ring, services.base_url, token, now, None)
        except TokenRefused:
            return
        found = (await grants.read_tokens(tx, [read.jti])).get(read.jti)
        client = await clients.read(tx, cli)
        if client is None or found is None or found[0].client != cli or found[0].digest != read.digest:
            return
        held = await hold(await lock(services, tx, found[0].log), found[0].request)
        row = (await grants.read_tokens(tx, [read.jti]))[read.jti][0]
        if row.revoked_at is None:
            await grants.save_token(tx, _sealed(services.secrets, replace(row, revoked_at=held.book.now)))
            held.tell(Event("token.revoked", held.request.id, Actor("client", cli), {"jti": read.jti}))
        await held.store()
