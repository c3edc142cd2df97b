"""A world with something of everything, and every page of it by name: what is looked at, weighed and photographed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from app.actions import decisions, findings, person, requests, session_calls, stop_codes
from app.actions.answers import Answer
from app.actions.drafting import answer
from app.actions.person import NewPerson
from app.storage import roster
from tests.actions.watching import approved, opened, report
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, World, run_world

POLICY = """approvals_required = 1
second_approval_over_minutes = 300
standing_approvals_allowed = true"""


@dataclass(frozen=True)
class Gallery:
    """The world, and its pages: name → who looks (null: nobody is signed in), and the path."""

    world: World
    pages: Mapping[str, tuple[str | None, str]]


def _configure(text: str) -> str:
    return text.replace("approvals_required = 1", POLICY)


@asynccontextmanager
async def run_gallery(directory: Path, locale: str = "en") -> AsyncIterator[Gallery]:
    """The world of an institution of this locale, filled."""

    def configure(text: str) -> str:
        return _configure(text).replace('locale = "en"', f'locale = "{locale}"')

    async with run_world(f"sqlite:///{directory}/countersign.db", None, directory, configure) as world:
        await world.enrol()
        past = await _past(world)
        world.skip(timedelta(days=4))
        for email in (HEAD, LIBRARIAN, DEPUTY, AUDITOR):
            await world.sign_in(email)
        pages: dict[str, tuple[str | None, str]] = {
            name: (HEAD, f"/requests/{request}") for name, request in (past | await _present(world)).items()
        }
        yield Gallery(world, pages | await _others(world, pages) | await _public(world) | _settings())


async def _past(world: World) -> dict[str, str]:
    """Requests that are over, by how."""
    made = {name: (await world.file()).row.id for name in ("expired", "elapsed", "denied", "withdrawn")}
    await world.approve(LIBRARIAN, made["elapsed"])
    await world.deny(LIBRARIAN, made["denied"])
    await requests.withdraw(world.services, world.caller, made["withdrawn"], "Solved.", None)
    made["completed"] = await _worked(world)
    made["disputed"] = await _worked(world)
    await findings.dispute(world.services, await world.visitor(HEAD), made["disputed"], "A rule was changed too.")
    return made


async def _worked(world: World) -> str:
    request = await approved(world)
    session = await opened(world, request)
    await report(world, session, "Opened: Authority control", "Changed: schedule")
    world.skip(timedelta(seconds=50))
    await session_calls.end(world.services, world.caller, session, "Done.")
    await requests.complete(world.services, world.caller, request, "We compared two rules and changed nothing.", None)
    return request


async def _others(world: World, known: Mapping[str, tuple[str | None, str]]) -> dict[str, tuple[str | None, str]]:
    """Pages beside those of a request as it stands."""
    session = await opened(world, known["active"][1].rpartition("/")[2])
    await report(world, session, "Opened: Display configuration", "Sent a form: a field")
    await stop_codes.make(world.services, await world.visitor(HEAD))
    proposed = NewPerson("another@example.edu", "Another", ("approver",), ())
    change = await person.add(world.services, await world.visitor(HEAD), proposed)
    async with world.services.database.read() as tx:
        head = await roster.of_email(tx, CODE, HEAD)
    assert head is not None
    pending, done = known["pending"][1], known["completed"][1]
    draft = await world.draft(HEAD, pending.rpartition("/")[2], window="full")
    denial = await world.draft(HEAD, pending.rpartition("/")[2], decision="deny", why="Not on a Sunday.")
    return {
        "check": (HEAD, f"{pending}/check/{draft}"),
        "check-deny": (HEAD, f"{pending}/check/{denial}"),
        "review-narrowed": (HEAD, f"{pending}?draft={draft}"),
        "dashboard": (HEAD, "/requests"),
        "dashboard-other-week": (HEAD, "/requests?week=2026-01-05"),
        "figures": (HEAD, "/requests/figures"),
        "session": (HEAD, f"/sessions/{session}"),
        "evidence": (AUDITOR, f"{done}/evidence"),
        "request-auditor": (AUDITOR, done),
        "trail": (AUDITOR, "/trail"),
        "trail-approver": (HEAD, "/trail"),
        "entry": (AUDITOR, "/trail/entries/7"),
        "accounts": (HEAD, "/accounts"),
        "sign-ins": (HEAD, "/accounts/sign-ins"),
        "settings-change": (HEAD, f"/settings/changes/{change}"),
        "settings-person": (HEAD, f"/settings/people/{head.person}"),
        "not-found": (HEAD, "/requests/nothing"),
    }


async def _public(world: World) -> dict[str, tuple[str | None, str]]:
    waiting = (await world.file()).row
    return {
        "landing": (None, f"/r/{waiting.short}"),
        "landing-closed": (None, "/r/nothing"),
        "sign-in": (None, f"/sign-in/{CODE}"),
        "sign-in-choice": (None, "/sign-in"),
        "stop": (None, "/stop"),
        "verify": (None, "/verify"),
        "problems": (None, "/problems"),
        "problem": (None, "/problems/case-not-escalated"),
        "nothing": (None, "/nothing"),
    }


def _settings() -> dict[str, tuple[str | None, str]]:
    rooms = (
        *("people", "policy", "sign-in", "environments", "standing-approvals", "stop-codes", "webhooks", "clients"),
        *("sessions", "notifications", "people/new"),
    )
    pages: dict[str, tuple[str | None, str]] = {"settings": (HEAD, "/settings")}
    return pages | {f"settings-{room.replace('/', '-')}": (HEAD, f"/settings/{room}") for room in rooms}


async def _present(world: World) -> dict[str, str]:
    """Requests that live, by how they stand."""
    soon = world.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
    roles = ("Fulfillment Administrator", "Letter Administrator", "Keeper of the Seal")
    made = {"pending": (await world.file(not_before=soon, minutes=480, roles=roles)).row.id}
    made["as-account"] = (await world.file(roles=())).row.id
    made["conversation"] = (await world.file()).row.id
    question = Answer(decision="ask", q="Which template do you change?")
    await answer(world.services, await world.visitor(HEAD), made["conversation"], question)
    await requests.message(world.services, world.caller, made["conversation"], "Only the overdue notice.", None)
    made["half"] = (await world.file(minutes=479)).row.id
    await world.approve(HEAD, made["half"])
    made["approved"] = (await world.file(not_before=soon)).row.id
    await world.approve(LIBRARIAN, made["approved"])
    made["active"] = await approved(world)
    made["revoked"] = await approved(world)
    await decisions.revoke(world.services, await world.visitor(HEAD), made["revoked"], "Enough for today.")
    return made
