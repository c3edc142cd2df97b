"""The general settings of an institution, kept by an admin: other addresses for notices, or another zone, wait."""

from __future__ import annotations

from dataclasses import dataclass

from app.actions.change_views import scene
from app.actions.changes import set_at_once
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.wanted import of_institution
from app.actions.worldbodies import general_of


@dataclass(frozen=True, slots=True)
class General:
    """What an institution is called, its language and zone, and where notices go."""

    name: str
    locale: str
    time_zone: str
    notify: tuple[str, ...]


async def current(services: Services, visitor: Visitor) -> General:
    """What is in force, for admins. Raises `Refused` not-found for anybody else."""
    async with services.database.read() as tx:
        there = await scene(services, tx, visitor)
    return General(there.row.name, there.institution.locale, there.institution.time_zone, there.row.notify)


async def save(services: Services, visitor: Visitor, wanted: General) -> str | None:
    """At once (None), or the id of the change that waits. Raises `Refused`: not-found, validation."""
    members = {
        "name": wanted.name,
        "locale": wanted.locale,
        "timezone": wanted.time_zone,
        "notify": list(wanted.notify),
    }
    name, locale, time_zone, notify = general_of(members)
    return await set_at_once(services, visitor, of_institution(visitor.code, name, notify, locale, time_zone))
