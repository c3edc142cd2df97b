"""Signed-in sessions: the way to the provider, who a cookie belongs to with the roles of this instant, signing out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from app.actions.doors import origin_of
from app.actions.farewell import farewell
from app.actions.journey import Begun, Plan, Where, depart
from app.actions.ledger import NOT_FOUND, write
from app.actions.services import Services
from app.actions.tries import tell_refused
from app.domain.errors import Refusal, Refused
from app.domain.events import SERVICE, Actor, Event
from app.domain.institution import Institution, is_bound
from app.domain.languages import msg
from app.identity import browser as browsers
from app.identity.id_token import VerifiedIdentity
from app.storage import institutions, web_sessions
from app.storage.web_sessions import Present, WebSessionRow

IDLE = timedelta(hours=1)
ABSOLUTE = timedelta(hours=10)
TOUCH_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody signed in, with the roles of this instant. `enrolling`: not bound yet, may only enrol.

    `signs_out_at`: the origin that signing out leads to, for pages whose form does so.
    """

    session: bytes
    code: str
    person: str
    name: str
    email: str
    roles: frozenset[str]
    iss: str
    sub: str
    csrf: str
    institution_name: str
    locale: str
    time_zone: str
    provider_host: str
    enrolling: bool
    signs_out_at: tuple[str, ...] = ()

    @property
    def actor(self) -> Actor:
        """The visitor as the actor of an event."""
        return Actor("person", self.person)


async def begin(services: Services, code: str, next_path: str, browser: str | None) -> Begun:
    """Send a browser to its institution's provider; afterwards it goes on to `next_path`, if that is a path of ours.

    The vendor's own people sign in as those of `VENDOR`. Raises `Refused` not-found, `Unavailable`.
    """
    async with services.database.read() as tx:
        row = await institutions.read(tx, code)
    if row is None:
        raise Refused(NOT_FOUND)
    institution = Institution.from_data(row.state)
    plan = Plan("sign-in", {"next": next_path if browsers.is_own_path(next_path) else "/requests"})
    return await depart(services, row, institution, plan, browser)


async def renew(services: Services, who: Visitor) -> str:
    """Give a session another id, as every step-up does; its new cookie."""
    cookie = browsers.new_secret()
    token = session_hash(services, cookie)
    mac = _mac(services, token, (who.code, who.person, who.iss, who.sub, ""))
    async with services.database.begin() as tx:
        session = await web_sessions.read(tx, who.session)
        if session is not None:
            await web_sessions.rename(tx, who.session, token, {**session.details, "mac": mac})
    return cookie


def signed_in_event(person: str, identity: VerifiedIdentity, where: Where) -> Event:
    """`sign_in.succeeded`; where the provider tells no time of its own, the token's issue counts."""
    auth_time = identity.auth_time if identity.auth_time is not None else identity.iat
    data = {"acr": identity.acr, "auth_time": auth_time}
    private = {"ip": where.ip, "user_agent": where.user_agent}
    return Event("sign_in.succeeded", person, Actor("person", person), data, private)


def refused_event(code: str, problem: str, where: Where) -> Event:
    """`sign_in.refused`."""
    private = {"ip": where.ip, "user_agent": where.user_agent}
    return Event("sign_in.refused", code, SERVICE, {"problem": problem}, private)


async def refuse_sign_in(services: Services, code: str, problem: str, where: Where) -> Refusal:
    """Record a refused sign-in of an institution; the refusal to answer with."""
    async with write(services, code) as book:
        await tell_refused(book, refused_event(code, problem, where))
        await book.append()
    return sign_in_refusal(problem)


def sign_in_refusal(problem: str) -> Refusal:
    """What a refused sign-in is answered with; `extra` names the reason."""
    detail = msg("This sign-in does not count. You are not signed in, and no answer was recorded.")
    return Refusal("sign-in-refused", detail, extra=(("reason", problem),))


def session_hash(services: Services, cookie: str) -> bytes:
    """What a session is found by."""
    return services.secrets.mac("cookie/session", cookie.encode("utf-8", "surrogatepass"))


def seal_session(services: Services, row: WebSessionRow) -> WebSessionRow:
    """The row with the MAC of whose it is, so that nobody who writes the database makes a session somebody else's."""
    return replace(row, details={**row.details, "mac": _session_mac(services, row)})


def _session_mac(services: Services, row: WebSessionRow) -> str:
    enrolling = "enrolling" if "binding" in row.details else ""
    return _mac(services, row.token, (row.log, row.person, row.iss, row.sub, enrolling))


def _mac(services: Services, token: bytes, names: tuple[str, str, str, str, str]) -> str:
    return services.secrets.mac("row/web-session", token, *names).hex()


async def visitor(services: Services, cookie: str | None, *, used: bool = True) -> Visitor | None:
    """Who a cookie belongs to, with the roles of this instant; None when the session is over or the person is gone.

    `used`: the session counts as used now, unlike where a page that was left open asks by itself.
    """
    if cookie is None:
        return None
    async with services.database.look() as tx:
        present = await web_sessions.present(tx, session_hash(services, cookie))
    if present is None:
        return None
    session, now = present.session, present.at
    if now >= session.expires_at or now - session.seen_at >= IDLE:
        return None
    if session.details.get("mac") != _session_mac(services, session):
        return None
    found = _visitor(services, cookie, present)
    if used and found is not None and now - session.seen_at > TOUCH_AFTER:
        await _touch(services, session, now)
    return found


def is_over(session: WebSessionRow, now: datetime) -> bool:
    """Whether a session has reached its end, or was left alone for too long."""
    return now >= session.expires_at or now - session.seen_at >= IDLE


def _visitor(services: Services, cookie: str, present: Present) -> Visitor | None:
    session, person = present.session, present.person
    institution = Institution.from_data(present.institution.state)
    enrolling = "binding" in session.details
    listed = institution.people.get(session.person)
    same_account = (person.iss, person.sub) == (session.iss, session.sub)
    if listed is None or listed.removed or not (enrolling or (same_account and is_bound(institution, session.person))):
        return None
    if session.iss != institution.provider.issuer:
        return None
    leave = farewell(services, session.person, session.details)
    return Visitor(
        session=session.token,
        code=session.log,
        person=session.person,
        name=person.name,
        email=person.email,
        roles=frozenset() if enrolling else frozenset(listed.held),
        iss=session.iss,
        sub=session.sub,
        csrf=browsers.csrf_token(services.secrets.derive("csrf"), cookie),
        institution_name=present.institution.name,
        locale=institution.locale,
        time_zone=institution.time_zone,
        provider_host=urlsplit(institution.provider.issuer).hostname or institution.provider.issuer,
        enrolling=enrolling,
        signs_out_at=tuple(filter(None, [None if leave is None else origin_of(leave.endpoint)])),
    )


async def _touch(services: Services, session: WebSessionRow, now: datetime) -> None:
    async with services.database.begin() as tx:
        await web_sessions.touch(tx, session.token, now)
