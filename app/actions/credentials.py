"""What a request shows at the gate: the gate's own cookie, or an approval token that has entered."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from app.actions.introspection import opened, token_holds
from app.actions.services import Services
from app.storage import entries, grants, sessions
from app.storage.database import Transaction
from app.storage.grants import TokenRow
from app.storage.sessions import SessionRow
from app.tokens.approval import Approval
from app.tokens.jwt import TokenRefused

GATE_COOKIE = "countersign-gate"


@dataclass(frozen=True, slots=True)
class Credential:
    """Exactly one of the two: the hash of the gate's cookie, or a token whose signature holds."""

    cookie: bytes | None = None
    token: Approval | None = None


def cookie_hash(services: Services, cookie: str) -> bytes:
    """What a session is found by."""
    return services.secrets.mac("cookie/gate", cookie.encode("utf-8", "surrogatepass"))


def read_credential(services: Services, cookie: str | None, authorization: str | None) -> Credential | None:
    """What is shown, as far as it can be told without database and clock; the cookie counts where both are there.

    An application behind the gate may use `Authorization` for itself: what is no token of ours is nothing.
    """
    if cookie:
        return Credential(cookie=cookie_hash(services, cookie))
    kind, _, token = (authorization or "").partition(" ")
    read = opened(services, token.strip(" ")) if kind.lower() == "bearer" else None
    return None if read is None else Credential(token=read)


async def session_of(tx: Transaction, credential: Credential) -> SessionRow | None:
    """The session that a credential belongs to, as its row says; only one that the gate itself opened."""
    if credential.token is not None:
        found = await sessions.read_many(tx, "jti", [credential.token.jti])
    else:
        found = await sessions.read_many(tx, "credential", [credential.cookie or b""])
    return next((row for row in found if row.client is None), None)


async def tokens_that_count(
    services: Services, tx: Transaction, shown: Sequence[Approval], now: datetime
) -> frozenset[str]:
    """Those of the tokens, by `jti`, that are valid now, known as they are, and taken back by nobody."""
    if not shown:
        return frozenset()
    rows = await grants.read_tokens(tx, [each.jti for each in shown])
    counting = set()
    for each in shown:
        token, grant = rows.get(each.jti, (None, None))
        if token is None or grant is None or token.digest != each.digest or token.revoked_at is not None:
            continue
        if not token_holds(services.secrets, token, grant) or await _taken_back(tx, token):
            continue
        with suppress(TokenRefused):
            each.check(services.ring, now)
            counting.add(each.jti)
    return frozenset(counting)


async def _taken_back(tx: Transaction, token: TokenRow) -> bool:
    """Whether the trail tells that a token was given back; what became of its grant, its session tells."""
    told = await entries.of_requests(tx, token.log, [token.request], ("token.revoked",))
    return any(each.entry.data["jti"] == token.jti for each in told[token.request])
