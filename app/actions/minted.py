"""What an approval token is made of, once it may be: whether the rows say what the trail gives, the token, its row
and its event.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from app.actions.grant_rows import grant_row
from app.audit.derive import Derived
from app.domain.errors import Refusal
from app.domain.events import Actor, Event
from app.domain.institution import Institution
from app.domain.request import AccessRequest, Grant
from app.storage.grants import GrantRow, TokenRow
from app.storage.requests import RequestRow
from app.tokens import approval
from app.tokens.approval import SupportAccess
from app.tokens.clients import Caller
from app.tokens.keys import KeyRing
from app.tokens.secrets import Secrets

TOKEN_LABEL = "row/token"  # noqa: S105 -- the label of a MAC, no secret


@dataclass(frozen=True, slots=True)
class Minted:
    """A new approval token; it is shown once and stored nowhere."""

    access_token: str
    token_type: str
    expires_in: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Basis:
    """What a token is minted from, as the rows have it: an institution, and its request with the grant."""

    institution: Institution
    row: RequestRow
    request: AccessRequest
    grant: Grant

    def is_derived(self, secrets: Secrets, found: GrantRow | None, derived: Derived) -> bool:
        """Whether the rows say what the trail gives, and the grant's row (`found`) is one that this service wrote."""
        request, row = derived.request, self.row
        return (
            derived.institution == self.institution
            and request == AccessRequest.from_data(row.state)
            and (request.environment, request.engineer) == (row.environment, secrets.engineer_id(row.engineer_id))
            and found == grant_row(secrets, row, self.grant)
        )


@dataclass(frozen=True, slots=True)
class Coin:
    """A token with its row and the event that tells of it: neither counts before both are committed."""

    minted: Minted
    row: TokenRow
    event: Event


class Mint:
    """Makes tokens with the keys of this service; `base_url` is who issues them."""

    def __init__(self, secrets: Secrets, ring: KeyRing, base_url: str) -> None:
        self.secrets = secrets
        self._ring = ring
        self._base_url = base_url

    def strike(self, basis: Basis, caller: Caller, jkt: str | None, now: datetime) -> Coin | Refusal:
        """A token for the engineer of a grant that may be used, bound to the key `jkt` where one is named."""
        institution, request, grant, row = basis.institution, basis.request, basis.grant, basis.row
        audience = institution.environments[request.environment].audience
        minted = approval.mint(
            self._ring,
            self._base_url,
            access=SupportAccess(
                institution=institution.code,
                environment=request.environment,
                account=request.account,
                case=request.case_number,
                roles=grant.roles,
                request=request.id,
                grant=grant.id,
            ),
            audience=audience,
            engineer=row.engineer_id,
            client_id=caller.client_id,
            not_before=grant.not_before,
            not_after=grant.not_after,
            ttl_minutes=institution.policy.token_ttl_minutes,
            now=now,
            jkt=jkt,
        )
        if isinstance(minted, Refusal):
            return minted
        kept = TokenRow(
            log=institution.code,
            jti=minted.jti,
            grant=grant.id,
            request=request.id,
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
        return Coin(_shown(minted, jkt, now), sealed(self.secrets, kept), _told(kept, caller))


def _shown(minted: approval.Minted, jkt: str | None, now: datetime) -> Minted:
    expires_at = datetime.fromtimestamp(minted.exp, UTC)
    kind = "Bearer" if jkt is None else "DPoP"
    return Minted(minted.token, kind, minted.exp - math.floor(now.timestamp()), expires_at)


def _told(row: TokenRow, caller: Caller) -> Event:
    data = {
        "grant": row.grant,
        "jti": row.jti,
        "token_digest": row.digest,
        "iat": row.iat,
        "nbf": row.nbf,
        "exp": row.exp,
        "bound": row.jkt is not None,
    }
    return Event("token.issued", row.request, Actor("client", caller.cli), data)


def sealed(secrets: Secrets, row: TokenRow) -> TokenRow:
    """The row with its MAC."""
    return replace(row, mac=secrets.mac(TOKEN_LABEL, *token_parts(row)))


def token_parts(row: TokenRow) -> list[str]:
    """What the MAC of a token's row covers, in order."""
    times = (str(row.iat), str(row.nbf), str(row.exp), "" if row.revoked_at is None else row.revoked_at.isoformat())
    names = (row.log, row.jti, row.grant, row.request, row.client, row.audience, row.digest, row.jkt or "")
    return [*names, *times]
