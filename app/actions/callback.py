"""The callback of every journey: a sign-in ends in a session, a countersignature in a decision or a change.

A test sign-in ends in what was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.actions import changes, giving, provider_tests
from app.actions.admission import admit
from app.actions.decisions import countersigned
from app.actions.journey import Arrived, Begun, Where, arrive
from app.actions.services import Services
from app.actions.signin import Visitor, refuse_sign_in, renew, visitor
from app.domain.errors import Refused

TESTED = "/settings/sign-in?draft="


@dataclass(frozen=True, slots=True)
class Finished:
    """Where the browser goes on (a path of ours, or the next step of a test), and the session cookie it gets."""

    next: str
    cookie: str | None


async def finish(
    services: Services,
    code: str,
    parameters: Sequence[tuple[str, str]],
    browser: str | None,
    cookie: str | None,
    where: Where,
) -> Finished:
    """End the journey of a browser. Raises `Refused` (sign-in-astray, sign-in-refused, …), `Unavailable`."""
    arrived = await arrive(services, code, parameters, browser)
    if arrived.purpose == "countersign":
        who = await visitor(services, cookie)
        path = await _countersigned(services, who, code, arrived, where)
        return Finished(path, None if who is None else await renew(services, who))
    if arrived.purpose == "change":
        who = await visitor(services, cookie)
        await changes.countersigned(services, who, code, arrived, where)
        # Whoever set another provider has no session there: they sign in with it next.
        there = await visitor(services, cookie)
        return Finished("/settings", None if there is None else await renew(services, there))
    if arrived.purpose == "test":
        further = await provider_tests.arrived(services, await visitor(services, cookie), arrived, browser)
        return Finished(further.url if isinstance(further, Begun) else f"{TESTED}{further}", None)
    if isinstance(arrived.outcome, str):
        raise Refused(await refuse_sign_in(services, code, arrived.outcome, where))
    fresh, enrolling = await admit(services, code, arrived.outcome, where, cookie)
    return Finished(f"/enrol/{code}" if enrolling else str(arrived.details["next"]), fresh)


async def _countersigned(services: Services, who: Visitor | None, code: str, arrived: Arrived, where: Where) -> str:
    """What a countersignature was for is recorded; the page that shows it. Raises `Refused`."""
    if giving.KIND in arrived.details:
        await giving.countersigned(services, who, code, arrived, where)
        return "/settings/standing-approvals"
    return f"/requests/{await countersigned(services, who, code, arrived, where)}"
