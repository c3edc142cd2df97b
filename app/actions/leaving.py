"""What the gate's pages show an engineer of their session, and leaving it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.actions.credentials import Credential, session_of
from app.actions.doors import origins_of
from app.actions.gates import Gate, gate_of, key_hash
from app.actions.registrations import sign_in_registration
from app.actions.services import Services
from app.actions.sessions import settle, view, watch_session
from app.actions.views import VENDOR
from app.actions.watched import unforged
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.institution import Institution
from app.domain.session import State
from app.storage import institutions
from app.storage.database import Transaction
from app.storage.institutions import InstitutionRow
from app.storage.sessions import SessionRow

NOBODY = Refusal("unauthorized", "No session at this gate has this credential.")


@dataclass(frozen=True, slots=True)
class Look:
    """An engineer before a gate. `place`: `in` with an open session, `over` with one that has ended, else `out`.

    `origins` are those that the form to enter leads to.
    """

    institution: str
    code: str
    environment: str
    time_zone: str
    place: Literal["in", "over", "out"]
    not_after: datetime | None
    because: str | None
    origins: tuple[str, ...]


async def look(services: Services, key: str | None, credential: Credential | None) -> Look:
    """How things stand. Changes nothing. Raises `Refused` gate-unknown."""
    async with services.database.look() as tx:
        gate = await gate_of(services, tx, key_hash(services, key))
        own, vendor = await institutions.read(tx, gate.code), await institutions.read(tx, VENDOR)
        row = await _own(services, tx, gate, credential)
        now = await tx.now()
        seen = None if row is None else await view(tx, row, now)
    if own is None:
        raise RuntimeError(f"{gate.code} has a gate, but is not there")
    over = seen is not None and seen.state in {State.ENDED, State.TERMINATED}
    return Look(
        institution=own.name,
        code=gate.code,
        environment=gate.name,
        time_zone=Institution.from_data(own.state).time_zone,
        place="out" if seen is None else "over" if over else "in",
        not_after=None if row is None else row.not_after,
        because=seen.ended_because if seen is not None and over else None,
        origins=await _origins(services, vendor, now),
    )


async def leave(services: Services, key: str | None, credential: Credential | None) -> None:
    """End the session. Nothing happens where it has ended. Raises `Refused`: gate-unknown, unauthorized."""
    async with services.database.begin() as tx:
        gate = await gate_of(services, tx, key_hash(services, key))
        row = await _own(services, tx, gate, credential)
        if row is None:
            raise Refused(NOBODY)
        held, session = await watch_session(services, tx, row)
        await settle(held, session)
        if session.living:
            await session.end("")
        await held.store()


async def _own(services: Services, tx: Transaction, gate: Gate, credential: Credential | None) -> SessionRow | None:
    """The session of a credential, if it is one of this gate's."""
    row = None if credential is None else await session_of(tx, credential)
    if row is None or (row.log, row.environment) != (gate.code, gate.name):
        return None
    return row if unforged(services.secrets, row) else None


async def _origins(services: Services, vendor: InstitutionRow | None, now: datetime) -> tuple[str, ...]:
    if vendor is None:
        return ()
    try:
        registration = sign_in_registration(services, vendor, Institution.from_data(vendor.state))
    except Unavailable:
        return ()  # whoever enters is told so; the page stands without it
    return await origins_of(services, registration, now)
