"""Disputes of a completion report: once, by an approver, told to both sides, explained, and judged by the verifier."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.actions import findings
from app.actions.doctor import examine
from app.actions.ledger import write
from app.actions.requests import complete
from app.domain.errors import Refused
from app.domain.events import Event
from app.domain.ids import new_id
from tests.actions.attacks import trail
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, Configure, World

WHY = "Loan rule “Short loan 2” was saved at 11:48. The report says that nothing was changed."


@pytest.fixture
def configure() -> Configure:
    """The console may explain findings."""
    return lambda text: text.replace('scopes = ["', 'scopes = ["accounts", "')


async def completed(world: World) -> str:
    request = (await world.file()).row.id
    await world.approve(LIBRARIAN, request)
    await complete(world.services, world.caller, request, "We changed nothing.", None)
    return request


async def test_a_dispute_opens_a_finding_that_the_vendor_explains(enrolled: World) -> None:
    world = enrolled
    request = await completed(world)
    size = len(await trail(world))
    await findings.dispute(world.services, await world.visitor(DEPUTY), request, WHY)
    told = await trail(world, size)
    assert [each.type for each in told if each.type != "mail.queued"] == ["request.disputed", "finding.opened"]
    finding = told[0].data["finding"]
    assert (told[1].subject, told[1].data["kind"], told[1].data["about"]) == (finding, "work-disputed", request)
    mails = [each for each in told if each.type == "mail.queued"]
    assert {each.data["kind"] for each in mails} == {"outcome", "outcome-vendor"}
    with pytest.raises(Refused, match="already-disputed"):
        await findings.dispute(world.services, await world.visitor(HEAD), request, WHY)
    listed = await findings.page(world.services, world.caller, CODE, 10, None)
    assert [(each.row.state, each.what, each.explanation) for each in listed] == [("open", WHY, None)]
    world.skip(timedelta(minutes=1))
    explained = await findings.explain(world.services, world.caller, CODE, finding, "It was saved by a job.")
    assert (explained.row.state, explained.explanation) == ("explained", "It was saved by a job.")
    for about in (None, request):
        report = await world.verify(await world.bundle(about))
        assert (report.exit_code, report.findings) == (0, ())
    assert await examine(world.services) == []


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_who_may_not_dispute_and_what_cannot_be_disputed(enrolled: World) -> None:
    world = enrolled
    request, waiting = await completed(world), (await world.file()).row.id
    for email, about, why, problem in (
        (AUDITOR, request, WHY, "not-approver"),
        (HEAD, waiting, WHY, "wrong-state"),
        (HEAD, request, " ", "validation"),
        (HEAD, request, "x" * 4001, "validation"),
        (HEAD, request, "bell \x07", "validation"),
        (HEAD, "req_nothing", WHY, "not-found"),
    ):
        with pytest.raises(Refused, match=problem):
            await findings.dispute(world.services, await world.visitor(email), about, why)
    assert not [each for each in await trail(world) if each.type in {"request.disputed", "finding.opened"}]


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_a_dispute_without_its_finding_or_a_finding_without_its_dispute_is_found(enrolled: World) -> None:
    world = enrolled
    request, who = await completed(world), await world.visitor(HEAD)
    finding = new_id("fnd", world.now())
    async with write(world.services, CODE) as book:
        disputed = book.next_index
        book.add(Event("request.disputed", request, who.actor, {"finding": finding}, {"text": WHY}))
        await book.append()
    world.skip(timedelta(seconds=1))
    opened = {"kind": "work-disputed", "environment": None, "about": request}
    async with write(world.services, CODE) as book:
        alone = book.next_index
        book.add(Event("finding.opened", new_id("fnd", book.now), who.actor, opened, {"what": WHY}))
        await book.append()
    report = await world.verify(await world.bundle())
    found = {(each.index, each.code) for each in report.findings}
    assert {(disputed, "dispute-unfound"), (alone, "finding-unfounded")} <= found
