"""The roster beside the trail: names, addresses and subjects, which stand in no leaf; and bindings that wait for an
admin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction

_ROSTER = tables.roster
_PENDING = tables.pending_bindings


@dataclass(frozen=True, slots=True)
class RosterRow:
    """One person. `email` is lower case; `iss` and `sub` are the account now bound, or last bound before removal."""

    log: str
    person: str
    name: str
    email: str
    iss: str | None = None
    sub: str | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class PendingBinding:
    """A first sign-in that an admin has yet to confirm: `blob` is its binding evidence, `digest` its `sha256:…`."""

    log: str
    person: str
    iss: str
    sub: str
    email: str | None
    digest: str
    blob: bytes
    at: datetime


async def add(tx: Transaction, row: RosterRow) -> bool:
    """Insert a person; false when the address (among those not removed), the account or the id is taken."""
    return await tx.put_once(_ROSTER, row)


async def people_beside(tx: Transaction, log: str, code: str) -> tuple[str, list[RosterRow]]:
    """The name of the institution `code` (none: empty), and everybody of `log`, removed or not: one query."""
    found = await tx.fetch(_BESIDE, {"log": log, "code": code})
    rows = [RosterRow(*row) for _, *row in found if row[0] is not None]
    return (found[0][0] if found else ""), rows


async def read(tx: Transaction, log: str, person: str) -> RosterRow | None:
    """The person of an id, removed or not."""
    found = await tx.fetch(_READ, {"log": log, "person": person})
    return RosterRow(*found[0]) if found else None


async def of_email(tx: Transaction, log: str, email: str) -> RosterRow | None:
    """The person, not removed, of an address (any case)."""
    return await _one(tx, _ROSTER.c.log == log, _ROSTER.c.email == email.lower(), ~_ROSTER.c.removed)


async def of_account(tx: Transaction, log: str, iss: str, sub: str) -> RosterRow | None:
    """The person, not removed, bound to exactly this account."""
    return await _one(tx, _ROSTER.c.log == log, *_account(iss, sub), ~_ROSTER.c.removed)


async def was_removed(tx: Transaction, log: str, iss: str, sub: str, email: str) -> bool:
    """Whether somebody of this account, or of this address (any case), was removed."""
    same = sa.or_(sa.and_(*_account(iss, sub)), _ROSTER.c.email == email.lower())
    found = sa.select(_ROSTER.c.person).where(_ROSTER.c.log == log, _ROSTER.c.removed, same).limit(1)
    return (await tx.connection.execute(found)).first() is not None


async def people(tx: Transaction, log: str) -> list[RosterRow]:
    """Everybody, the removed included, in the order of their ids."""
    return [RosterRow(*found) for found in await tx.fetch(_PEOPLE, {"log": log})]


_PEOPLE = select_rows(_ROSTER, RosterRow).where(_ROSTER.c.log == sa.bindparam("log")).order_by(_ROSTER.c.person)
_BESIDE = (
    sa.select(tables.institutions.c.name.label("beside"), *select_rows(_ROSTER, RosterRow).selected_columns)
    .select_from(tables.institutions.outerjoin(_ROSTER, _ROSTER.c.log == sa.bindparam("log")))
    .where(tables.institutions.c.code == sa.bindparam("code"))
    .order_by(_ROSTER.c.person)
)
_READ = _PEOPLE.where(_ROSTER.c.person == sa.bindparam("person"))


async def bind(tx: Transaction, log: str, person: str, iss: str, sub: str) -> bool:
    """Bind a person to an account; false when the account is another's or the person is removed. Head lock held."""
    other = await of_account(tx, log, iss, sub)
    if other is not None:
        return other.person == person
    removed = sa.update(_ROSTER).where(_ROSTER.c.log == log, *_account(iss, sub), _ROSTER.c.removed)
    await tx.connection.execute(removed.values(iss=None, sub=None))
    update = sa.update(_ROSTER).where(_ROSTER.c.log == log, _ROSTER.c.person == person, ~_ROSTER.c.removed)
    return (await tx.connection.execute(update.values(iss=iss, sub=sub))).rowcount == 1


async def set_accounts(tx: Transaction, log: str, accounts: Mapping[str, tuple[str, str]]) -> None:
    """Whose accounts count from now on, `(iss, sub)` by person; nobody else has one. Head lock held."""
    await tx.connection.execute(sa.update(_ROSTER).where(_ROSTER.c.log == log).values(iss=None, sub=None))
    for person, (iss, sub) in accounts.items():
        update = sa.update(_ROSTER).where(_ROSTER.c.log == log, _ROSTER.c.person == person, ~_ROSTER.c.removed)
        await tx.connection.execute(update.values(iss=iss, sub=sub))


async def forget_pending(tx: Transaction, log: str) -> None:
    """Remove every waiting binding of an institution."""
    await tx.connection.execute(sa.delete(_PENDING).where(_PENDING.c.log == log))


async def remove(tx: Transaction, log: str, person: str) -> None:
    """Mark a person removed; the name stays, for what they decided, and the account until another has it."""
    update = sa.update(_ROSTER).where(_ROSTER.c.log == log, _ROSTER.c.person == person)
    await tx.connection.execute(update.values(removed=True))


async def set_pending(tx: Transaction, row: PendingBinding) -> None:
    """Insert or replace a person's waiting binding."""
    values = values_of(row)
    statement = tx.insert(_PENDING).on_conflict_do_update(index_elements=["log", "person"], set_=values)
    await tx.connection.execute(statement, values)


async def pending(tx: Transaction, log: str) -> list[PendingBinding]:
    """An institution's waiting bindings, oldest first."""
    query = select_rows(_PENDING, PendingBinding).where(_PENDING.c.log == log).order_by(_PENDING.c.at)
    return [PendingBinding(*found) for found in await tx.connection.execute(query)]


async def take_pending(tx: Transaction, log: str, person: str) -> PendingBinding | None:
    """Remove a person's waiting binding and return it."""
    query = select_rows(_PENDING, PendingBinding).where(_PENDING.c.log == log, _PENDING.c.person == person)
    found = (await tx.connection.execute(query.with_for_update())).one_or_none()
    if found is None:
        return None
    await tx.connection.execute(sa.delete(_PENDING).where(_PENDING.c.log == log, _PENDING.c.person == person))
    return PendingBinding(*found)


def _account(iss: str, sub: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _ROSTER.c.iss == iss, _ROSTER.c.sub == sub


async def _one(tx: Transaction, *conditions: ColumnElement[bool]) -> RosterRow | None:
    found = (await tx.connection.execute(select_rows(_ROSTER, RosterRow).where(*conditions))).one_or_none()
    return None if found is None else RosterRow(*found)
