"""Sessions in a `World`: requests approved, tokens minted, sessions opened and reported, as a gateway would."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

from app.actions import grants, sessions
from app.actions.reports import Heard, Report, Reports
from app.actions.services import Services
from app.actions.watched import Reported
from app.storage import sessions as rows
from app.storage.sessions import SessionRow
from tests.actions.worlds import HEAD, WHERE, World


async def approved(world: World, **changes: object) -> str:
    """A request approved by the head of systems."""
    request = (await world.file(**changes)).row.id
    await world.approve(HEAD, request)
    return request


async def token(world: World, request: str) -> str:
    """A new token of a request."""
    return (await grants.mint(world.services, world.caller, request)).access_token


async def opened(world: World, request: str | None = None) -> str:
    """An open session, on a request of its own unless one is named; its id."""
    minted = await token(world, request or await approved(world))
    return (await sessions.open_session(world.services, world.caller, minted, WHERE)).row.id


async def report(world: World, session: str, *summaries: str) -> Heard:
    """Report events."""
    return await report_all(
        world, session, *(Reported(world.now(), "page", each, '{"status":200}') for each in summaries)
    )


async def report_all(world: World, session: str, *events: Reported) -> Heard:
    """Report these events."""
    return await _reports(world.services).take(Report(session, world.client, events))


@lru_cache(maxsize=1)
def _reports(services: Services) -> Reports:
    """Those of a process, so that who reports at once is heard at once."""
    return Reports(services)


async def row_of(world: World, session: str) -> SessionRow:
    """Its row."""
    async with world.services.database.read() as tx:
        row = await rows.read(tx, session)
    assert row is not None
    return row


async def keep_alive(world: World, session: str, length: timedelta) -> None:
    """Report a heartbeat every 30 s for some time."""
    for _ in range(length // timedelta(seconds=30)):
        world.skip(timedelta(seconds=30))
        assert (await report(world, session, "")).goes_on
