"""Taking a session away: one press by a signed-in approver, in force at the gateway's next call."""

from __future__ import annotations

from app.actions.drafting import NOT_APPROVER, may_end
from app.actions.ledger import NOT_FOUND, unwrap
from app.actions.services import Services
from app.actions.session_calls import over
from app.actions.sessions import settle, watch_session
from app.actions.signin import Visitor
from app.domain.errors import Refusal, Refused
from app.storage import sessions


async def end_access(services: Services, visitor: Visitor, session_id: str) -> str:
    """End a session, and leave the window open; the id of its request.

    Raises `Refused`: not-found, not-approver, wrong-state where it is over already.
    """
    async with services.database.begin() as tx:
        row = await sessions.read(tx, session_id)
        if row is None or row.log != visitor.code or not visitor.roles:
            raise Refused(NOT_FOUND)
        held, session = await watch_session(services, tx, row)
        await settle(held, session)
        outcome: str | Refusal = row.request
        if not may_end(held, visitor):
            outcome = NOT_APPROVER
        elif not session.living:
            outcome = over(session.row)
        else:
            await session.terminate(visitor.actor, "approver")
        await held.store()
    return unwrap(outcome)
