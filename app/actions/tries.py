"""How often an address may try something, counted in the database, so that every replica counts alike.

An IPv6 address counts by its /64, which is what one party has at the least.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from app.actions.journey import Where
from app.actions.ledger import Ledger
from app.actions.services import Services
from app.domain.errors import Refusal, Refused
from app.domain.events import Event
from app.storage import attempts
from app.storage.attempts import Tries

WINDOW = timedelta(minutes=10)
BEGUN = 600
"""How many sign-ins an address may begin at one institution in a window; at all of them twice as many."""
HOUR = timedelta(hours=1)
TOLD = 300
"""How many refused sign-ins of an institution are told each by itself in an hour."""
LONGEST = HOUR
FAILED = 300
"""How often machines of an address may fail to prove who they are in a window; a right proof always counts."""


def network(ip: str) -> str:
    """What counts as one address."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def too_many(tries: Tries, window: timedelta, now: datetime, detail: str) -> Refusal:
    """The refusal of one try more, with the seconds until the window is over."""
    wait = max(1, -((now - tries.began - window) // timedelta(seconds=1)))
    return Refusal("too-many-requests", detail, retry_after=wait)


async def may_begin(services: Services, code: str, where: Where) -> None:
    """Count a sign-in that begins. Raises `Refused` too-many-requests, the same for an unknown institution."""
    address = network(where.ip)
    async with services.database.begin() as tx:
        now = await tx.now()
        tries = await attempts.count(tx, services.secrets.mac("attempt/sign-in", address), now, WINDOW)
        over = tries.count > 2 * BEGUN
        if not over:
            tries = await attempts.count(tx, services.secrets.mac("attempt/sign-in", address, code), now, WINDOW)
            over = tries.count > BEGUN
    if over:
        raise Refused(too_many(tries, WINDOW, now, "Too many sign-ins were begun from this address."))


async def failed_proof(services: Services, ip: str) -> None:
    """Count a client that did not prove who it is. Raises `Refused` too-many-requests."""
    async with services.database.begin() as tx:
        now = await tx.now()
        tries = await attempts.count(tx, services.secrets.mac("attempt/client", network(ip)), now, WINDOW)
    if tries.count > FAILED:
        raise Refused(too_many(tries, WINDOW, now, "Too many clients failed to sign in from this address."))


async def tell_refused(book: Ledger, event: Event) -> None:
    """Gather a `sign_in.refused`: each by itself, unless there are very many; then one of a kind a minute, so that the
    log does not grow with whatever somebody begins and breaks off.
    """
    key = book.services.secrets.mac("attempt/refused", book.code)
    if (await attempts.count(book.tx, key, book.now, HOUR)).count <= TOLD:
        book.add(event)
    else:
        await book.refuse(f"sign-in/{event.data['problem']}", event)
