"""The end of signed-in sessions: by the person, by their provider (back-channel logout), by the clock.

A session ends in the database, so on every replica at once, and each end is an event.
"""

from __future__ import annotations

from hashlib import sha256

from app.actions.farewell import farewell, farewell_url
from app.actions.ledger import write
from app.actions.registrations import sign_in_registration
from app.actions.services import Services
from app.actions.signin import IDLE, Visitor
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.events import SERVICE, WORKER, Actor, Event
from app.domain.institution import Institution
from app.identity.errors import SignInRefused
from app.identity.logout_token import Logout, verify_logout
from app.storage import institutions, replays, web_sessions
from app.storage.replays import ReplayRow
from app.storage.web_sessions import WebSessionRow

NO_LOGOUT = Refusal("malformed", "This is no logout token of this institution's provider.")


async def sign_out(services: Services, who: Visitor) -> str | None:
    """End the session, on every replica; where the provider ends its own, if it does."""
    async with write(services, who.code) as book:
        session = await web_sessions.read(book.tx, who.session)
        if await web_sessions.end(book.tx, who.session) and not who.enrolling:
            book.add(_done(who.person, who.actor, "person"))
        await book.append()
    kept = None if session is None else farewell(services, who.person, session.details)
    return None if kept is None else farewell_url(services, kept)


async def provider_signed_out(services: Services, code: str, logout_token: str) -> None:
    """End the sessions that a provider's logout token names; one that was taken before changes nothing.

    Raises `Refused` malformed, the same for an unknown institution as for a token that does not count; `Unavailable`.
    """
    async with services.database.read() as tx:
        now = await tx.now()
        row = await institutions.read(tx, code)
    if row is None:
        raise Refused(NO_LOGOUT)
    provider = Institution.from_data(row.state).provider
    registration = sign_in_registration(services, row, Institution.from_data(row.state))
    ours = {provider.client_id, provider.approval_audience}
    try:
        said, _ = await services.provider.judge(
            registration, now, lambda keys: verify_logout(logout_token, keys, provider.issuer, ours, now)
        )
    except SignInRefused as refused:
        raise Refused(NO_LOGOUT) from refused
    await _end(services, code, provider.issuer, said)


async def _end(services: Services, code: str, issuer: str, said: Logout) -> None:
    async with write(services, code) as book:
        digest = sha256(said.jti.encode()).hexdigest()
        if await replays.once(book.tx, ReplayRow(f"logout/{code}/{issuer}"[:200], digest, said.counts_until)):
            ended = await web_sessions.end_of_account(book.tx, code, issuer, said.sub, said.sid)
            book.add(*(_done(each.person, SERVICE, "provider") for each in ended if _counted(each)))
        await book.append()


async def time_out(services: Services) -> int:
    """End the sessions that reached their end or were left alone for too long; how many logs had some.

    Raises `Unavailable`; where one log is in doubt, after the others had their turn.
    """
    async with services.database.read() as tx:
        now = await tx.now()
        logs = await web_sessions.logs_with_over(tx, now, now - IDLE)
    doubts = []
    for log in logs:
        try:
            await _time_out(services, log)
        except Unavailable as doubt:
            doubts.append(doubt)
    if doubts:
        raise doubts[0]
    return len(logs)


async def _time_out(services: Services, log: str) -> None:
    async with write(services, log) as book:
        ended = await web_sessions.end_over(book.tx, log, book.now, book.now - IDLE)
        book.add(*(_done(each.person, WORKER, "timeout") for each in ended if _counted(each)))
        await book.append()


def _counted(session: WebSessionRow) -> bool:
    """Whether its beginning is an event, so that its end is one: not while the enrolment is not confirmed."""
    return "binding" not in session.details


def _done(person: str, actor: Actor, because: str) -> Event:
    return Event("sign_out.done", person, actor, {"because": because})
