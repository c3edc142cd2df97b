"""Browsers: sign-ins under way, and signed-in sessions. Both are found by a hash, never by what the cookie holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.storage import tables
from app.storage.columns import select_rows
from app.storage.database import Transaction
from app.storage.institutions import InstitutionRow
from app.storage.roster import RosterRow

_SESSIONS = tables.web_sessions
_FLOWS = tables.sign_in_flows


@dataclass(frozen=True, slots=True)
class WebSessionRow:
    """`token` is the hash of the cookie's value, `sid` the provider's session id, `details` what the action keeps
    (claim roles…).
    """

    token: bytes
    log: str
    person: str
    iss: str
    sub: str
    sid: str | None
    details: Mapping[str, Any]
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignInFlow:
    """`state` and `browser` are hashes (of the state and of the cookie it is bound to); `details`: nonce, verifier,
    purpose, next.
    """

    state: bytes
    log: str
    browser: bytes
    details: Mapping[str, Any]
    created_at: datetime


async def begin_flow(tx: Transaction, row: SignInFlow) -> None:
    """Insert a sign-in that begins."""
    await tx.put(_FLOWS, row)


async def take_flow(tx: Transaction, state: bytes, browser: bytes) -> SignInFlow | None:
    """Remove the sign-in of a state and return it: a state comes back once, and only in the browser that left; another
    browser changes nothing. The caller checks age.
    """
    found = await tx.fetch(_TAKE, {"key": state, "cookie": browser})
    return SignInFlow(*found[0]) if found else None


_FLOW = select_rows(_FLOWS, SignInFlow).selected_columns
_OWN = sa.and_(_FLOWS.c.state == sa.bindparam("key"), _FLOWS.c.browser == sa.bindparam("cookie"))
_TAKE = sa.delete(_FLOWS).where(_OWN).returning(*_FLOW)


async def add(tx: Transaction, row: WebSessionRow) -> None:
    """Insert a session."""
    await tx.put(_SESSIONS, row)


async def read(tx: Transaction, token: bytes) -> WebSessionRow | None:
    """The session of a cookie (its hash); the caller checks its times."""
    found = await tx.fetch(_READ, {"token": token})
    return WebSessionRow(*found[0]) if found else None


_READ = select_rows(_SESSIONS, WebSessionRow).where(_SESSIONS.c.token == sa.bindparam("token"))


@dataclass(frozen=True, slots=True)
class Present:
    """A session with its institution and person, as they are `at` this instant; the caller checks its times."""

    session: WebSessionRow
    institution: InstitutionRow
    person: RosterRow
    at: datetime


async def present(tx: Transaction, token: bytes) -> Present | None:
    """The session of a cookie (its hash) and what goes with it, in one look."""
    timed = tx.dialect == "postgresql" and tx.clock is None
    found = await tx.fetch(_PRESENT_AT if timed else _PRESENT, {"token": token})
    if not found:
        return None
    row, own = found[0], len(fields(WebSessionRow))
    rest = own + len(fields(InstitutionRow))
    end = rest + len(fields(RosterRow))
    at = row[end].astimezone(UTC) if timed else await tx.now()
    return Present(WebSessionRow(*row[:own]), InstitutionRow(*row[own:rest]), RosterRow(*row[rest:end]), at)


_PERSON = sa.and_(tables.roster.c.log == _SESSIONS.c.log, tables.roster.c.person == _SESSIONS.c.person)
_PRESENT = (
    _READ.add_columns(*select_rows(tables.institutions, InstitutionRow).selected_columns)
    .add_columns(*select_rows(tables.roster, RosterRow).selected_columns)
    .join_from(_SESSIONS, tables.institutions, tables.institutions.c.code == _SESSIONS.c.log)
    .join_from(_SESSIONS, tables.roster, _PERSON)
)
_PRESENT_AT = _PRESENT.add_columns(sa.func.clock_timestamp(type_=sa.DateTime(timezone=True)))


async def rename(tx: Transaction, token: bytes, new: bytes, details: Mapping[str, Any]) -> bool:
    """Let a session be found by another cookie from now on, with other details; whether there was one."""
    return bool(await tx.fetch(_RENAME, {"key": token, "token": new, "details": dict(details)}))


_RENAME = sa.update(_SESSIONS).where(_SESSIONS.c.token == sa.bindparam("key")).returning(_SESSIONS.c.token)


async def touch(tx: Transaction, token: bytes, seen_at: datetime) -> None:
    """Remember when a session was last used."""
    await tx.connection.execute(sa.update(_SESSIONS).where(_SESSIONS.c.token == token).values(seen_at=seen_at))


async def end(tx: Transaction, token: bytes) -> bool:
    """End a session; whether there was one."""
    return await _end(tx, _SESSIONS.c.token == token) == 1


async def of_person(tx: Transaction, log: str, person: str) -> list[WebSessionRow]:
    """Every session of a person, newest first."""
    query = select_rows(_SESSIONS, WebSessionRow).where(_SESSIONS.c.log == log, _SESSIONS.c.person == person)
    result = await tx.connection.execute(query.order_by(_SESSIONS.c.created_at.desc()))
    return [WebSessionRow(*found) for found in result]


async def end_of_person(tx: Transaction, log: str, person: str) -> int:
    """End every session of a person; how many."""
    return await _end(tx, _SESSIONS.c.log == log, _SESSIONS.c.person == person)


async def end_of_account(tx: Transaction, log: str, iss: str, sub: str | None, sid: str | None) -> list[WebSessionRow]:
    """End the sessions that a back-channel logout names by `sub`, by `sid`, or both; which they were."""
    named = [_SESSIONS.c.log == log, _SESSIONS.c.iss == iss]
    if sub is None and sid is None:
        return []
    if sub is not None:
        named.append(_SESSIONS.c.sub == sub)
    if sid is not None:
        named.append(_SESSIONS.c.sid == sid)
    return await _taken(tx, *named)


async def logs_with_over(tx: Transaction, now: datetime, seen_before: datetime) -> tuple[str, ...]:
    """The logs with sessions past their end, or last used before an instant, in code order."""
    query = sa.select(_SESSIONS.c.log).where(_over(now, seen_before)).distinct().order_by(_SESSIONS.c.log)
    return tuple((await tx.connection.execute(query)).scalars())


async def end_over(tx: Transaction, log: str, now: datetime, seen_before: datetime) -> list[WebSessionRow]:
    """End such sessions of a log; which they were."""
    return await _taken(tx, _SESSIONS.c.log == log, _over(now, seen_before))


async def sweep_flows(tx: Transaction, before: datetime) -> None:
    """Delete sign-ins begun before an instant."""
    await tx.connection.execute(sa.delete(_FLOWS).where(_FLOWS.c.created_at < before))


def _over(now: datetime, seen_before: datetime) -> ColumnElement[bool]:
    return sa.or_(_SESSIONS.c.expires_at <= now, _SESSIONS.c.seen_at <= seen_before)


async def _taken(tx: Transaction, *conditions: ColumnElement[bool]) -> list[WebSessionRow]:
    """Delete sessions and return them, by when they began."""
    taken = sa.delete(_SESSIONS).where(*conditions).returning(*select_rows(_SESSIONS, WebSessionRow).selected_columns)
    rows = [WebSessionRow(*found) for found in await tx.connection.execute(taken)]
    return sorted(rows, key=lambda row: (row.created_at, row.token))


async def _end(tx: Transaction, *conditions: ColumnElement[bool]) -> int:
    return (await tx.connection.execute(sa.delete(_SESSIONS).where(*conditions))).rowcount
