"""Signed-in sessions: nobody who writes the database makes a session somebody else's."""

from __future__ import annotations

import pytest

from app.actions import signin
from app.storage import tables
from tests.actions.attacks import rewrite
from tests.actions.worlds import AUDITOR, HEAD, World


@pytest.mark.parametrize("column", ["person", "sub"])
async def test_a_session_whose_row_was_changed_is_over(enrolled: World, column: str) -> None:
    head, auditor = await enrolled.visitor(HEAD), await enrolled.visitor(AUDITOR)
    changed = {column: getattr(head, column)}
    await rewrite(enrolled, tables.web_sessions, {"token": auditor.session}, changed)
    assert await signin.visitor(enrolled.services, enrolled.people[AUDITOR]) is None
    assert (await enrolled.visitor(HEAD)).person == head.person


async def test_a_session_taken_over_under_another_cookie_is_over(enrolled: World) -> None:
    head, auditor = await enrolled.visitor(HEAD), await enrolled.visitor(AUDITOR)
    await rewrite(enrolled, tables.web_sessions, {"token": auditor.session}, {"token": bytes(32)})
    await rewrite(enrolled, tables.web_sessions, {"token": head.session}, {"token": auditor.session})
    assert await signin.visitor(enrolled.services, enrolled.people[AUDITOR]) is None


async def test_a_session_renewed_at_a_step_up_is_still_its_persons(enrolled: World) -> None:
    cookie = await signin.renew(enrolled.services, await enrolled.visitor(HEAD))
    assert await signin.visitor(enrolled.services, enrolled.people[HEAD]) is None
    found = await signin.visitor(enrolled.services, cookie)
    assert found is not None
    assert found.email == HEAD
