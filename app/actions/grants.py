"""Approval tokens: minted under a grant that the trail itself gives, and taken back at once.

A row in the database gives nothing. Before a token is minted, request and grant are derived again from the request's
own entries and their countersignatures, and every row that the token is made from has to say the same. Nor do entries
alone give anything: whoever can write all rows can write a story that holds together, but not the MAC of its grant,
whose key is not in the database.
"""

from __future__ import annotations

from dataclasses import replace

from app.actions.held import Held, hold
from app.actions.ledger import lock, unwrap
from app.actions.minted import Basis, Minted, sealed
from app.actions.minting import Wanted
from app.actions.requests import hold_served
from app.actions.services import Services
from app.domain.errors import Refusal
from app.domain.events import Actor, Event
from app.domain.request import may_mint
from app.storage import clients, grants
from app.tokens import approval
from app.tokens.clients import Caller
from app.tokens.jwt import TokenRefused
from app.trail import canonical


async def mint(services: Services, caller: Caller, request_id: str, jkt: str | None = None) -> Minted:
    """A token under the request's open grant; `jkt`: the key it is bound to.

    Raises `Refused`: not-found, not-approved, window-not-open, grant-ended, grant-not-derivable; each is an event.
    """
    minted = await services.minting.plainly(Wanted(caller, request_id, jkt))
    return minted or await _alone(services, caller, request_id, jkt)


async def _alone(services: Services, caller: Caller, request_id: str, jkt: str | None) -> Minted:
    """The same under the lock of the log, whatever it meets."""
    async with services.database.begin() as tx:
        held = await hold_served(services, tx, caller, request_id)
        held.book.trust_clock()
        outcome = await _mint(held, caller, jkt)
        if isinstance(outcome, Refusal):
            await _refused(held, caller, outcome.problem)
        await held.store()
    return unwrap(outcome)


async def _mint(held: Held, caller: Caller, jkt: str | None) -> Minted | Refusal:
    grant, book, row = may_mint(held.request, held.book.now), held.book, held.row
    if isinstance(grant, Refusal):
        return grant
    derived = await book.services.derivations.derive(book.tx, book.code, held.request.id)
    if isinstance(derived, Refusal):
        return derived
    basis = Basis(book.institution, row, held.request, grant)
    if not basis.is_derived(book.services.secrets, await grants.of_request(book.tx, row.log, row.id), derived):
        return Refusal("grant-not-derivable", "What the database says is not what the trail gives.")
    coin = book.services.mint.strike(basis, caller, jkt, book.now)
    if isinstance(coin, Refusal):
        return coin
    await grants.add_token(book.tx, coin.row)
    held.tell(coin.event)
    return coin.minted


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
            await grants.save_token(tx, sealed(services.secrets, replace(row, revoked_at=held.book.now)))
            held.tell(Event("token.revoked", held.request.id, Actor("client", cli), {"jti": read.jti}))
        await held.store()
