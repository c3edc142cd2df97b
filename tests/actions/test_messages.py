"""The conversation about a request: bounded, and honest about when it may go on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.actions import requests
from app.actions.requests import MESSAGES_PER_HOUR
from app.domain.errors import Refused
from tests.actions.worlds import World


async def test_after_too_many_messages_the_next_is_taken_when_the_first_is_an_hour_old(enrolled: World) -> None:
    request = (await enrolled.file()).row.id
    for n in range(MESSAGES_PER_HOUR):
        await requests.message(enrolled.services, enrolled.caller, request, f"Message {n}.")
    enrolled.skip(timedelta(minutes=20))
    with pytest.raises(Refused, match="too-many-requests") as refused:
        await requests.message(enrolled.services, enrolled.caller, request, "One more.")
    wait = refused.value.refusal.retry_after
    assert wait is not None
    assert 2000 < wait <= 2400
    enrolled.skip(timedelta(seconds=wait))
    view = await requests.message(enrolled.services, enrolled.caller, request, "One more.")
    assert len(view.messages) == MESSAGES_PER_HOUR + 1
