"""Webhooks over a whole service: told in the transaction of the change, delivered at least once, decisions unmoved."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from app.actions import doctor, requests, webhooks
from app.actions.clients import add_client
from app.actions.clock import sweep
from app.actions.deliver_webhooks import deliver_webhooks
from app.actions.held import hold
from app.actions.institutions import apply
from app.actions.ledger import unwrap, write
from app.actions.operators import operator
from app.actions.webhooks import Wanted, WebhookView
from app.actions.world import read_client
from app.api import representation
from app.domain.errors import Refused
from app.domain.events import Actor
from app.domain.hooks import TOLD
from app.domain.request import complete
from app.storage import clients, entries
from app.storage.leaves import Stored
from app.tokens.clients import SCOPES, Caller
from tests.actions.test_institutions import another, file
from tests.actions.worlds import CODE, HEAD, World
from tests.fixtures.receiver import Receiver, receiving

IMPLEMENTATION = {"environment": "esploro-sandbox"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


def limited(world: World, *institutions: str) -> Caller:
    return Caller("support-console", world.client, SCOPES, frozenset(institutions), frozenset())


async def admin(world: World) -> Caller:
    """A client with the scope `admin`, which the support console does not have; made when it is first asked for."""
    async with world.services.database.read() as tx:
        row = await clients.of_client_id(tx, "administration")
    if row is None:
        spec = read_client("administration", "cs_a_secret_of_administration", ["admin"], ["*"], [])
        await add_client(world.services, operator(world.services, "tests"), spec)
        return await admin(world)
    return Caller(row.client_id, row.id, frozenset(row.scopes), frozenset(row.institutions), frozenset())


async def listen(world: World, receiver: Receiver, *types: str, path: str = "/hooks") -> tuple[str, str]:
    """A webhook; its id and its secret."""
    wanted = Wanted(receiver.url(path), types or ("request.*",), ("*",))
    view, secret = await webhooks.create(world.services, await admin(world), wanted)
    return view.row.id, secret


async def deliver(world: World) -> int:
    """What a worker does once."""
    return await deliver_webhooks(world.services, representation.body)


async def deliver_all(world: World) -> None:
    while await deliver(world):
        pass


async def see(world: World, name: str) -> WebhookView:
    return await webhooks.read(world.services, await admin(world), name)


async def logged(world: World, *types: str) -> list[Stored]:
    async with world.services.database.read() as tx:
        found = await entries.find(tx, CODE, entries.LeafFilter(), 10_000)
    return [each for each in found if each.entry.type in types]


async def represented(world: World, request_id: str) -> Any:
    """What the API would answer now."""
    view = await requests.read(world.services, world.caller, request_id)
    return json.loads(representation.body(world.services, view))


async def test_every_event_of_a_request_is_told_once_signed_numbered_and_as_the_api_represents_it(
    enrolled: World, receiver: Receiver
) -> None:
    _, secret = await listen(enrolled, receiver, "*")
    filed = await enrolled.file()
    await deliver_all(enrolled)
    await enrolled.approve(HEAD, filed.row.id, note="Only the job.")
    await requests.message(enrolled.services, enrolled.caller, filed.row.id, "Thank you.")
    await deliver_all(enrolled)
    stored = await logged(enrolled, *TOLD)
    assert [each.id for each in receiver.taken] == [each.entry.id for each in stored]
    assert [each.told["type"] for each in receiver.taken] == [each.entry.type for each in stored]
    assert [each.sequence for each in receiver.taken] == list(range(1, len(stored) + 1))
    for each in receiver.taken:
        assert Webhook(secret).verify(each.body, each.headers) == each.told
        assert each.headers["content-type"] == "application/json"
    assert receiver.taken[-1].told["data"] == await represented(enrolled, filed.row.id)
    assert [each.told["data"]["status"] for each in receiver.taken] == ["pending", *["active"] * (len(stored) - 1)]
    for secret_word in (HEAD, "sub-of-", "per_"):
        assert secret_word not in "".join(each.body.decode() for each in receiver.taken)


async def test_a_message_says_what_the_request_was_after_its_event_however_late_it_is_sent(
    enrolled: World, receiver: Receiver
) -> None:
    await listen(enrolled, receiver)
    filed = await enrolled.file()
    pending = await represented(enrolled, filed.row.id)
    await requests.withdraw(enrolled.services, enrolled.caller, filed.row.id, "Solved.", None)
    await deliver_all(enrolled)
    first, last = receiver.taken
    assert (first.told["type"], first.told["data"]) == ("request.created", pending)
    assert first.told["timestamp"] == pending["created_at"]
    assert (last.told["type"], last.told["data"]["status"]) == ("request.withdrawn", "withdrawn")


async def test_what_the_clock_alone_changes_is_told_too(enrolled: World, receiver: Receiver) -> None:
    await listen(enrolled, receiver, "request.expired", "request.elapsed")
    waiting, running = await enrolled.file(), await enrolled.file(**IMPLEMENTATION)
    enrolled.skip(timedelta(days=3))
    await sweep(enrolled.services)
    await deliver_all(enrolled)
    told = {each.told["data"]["id"]: (each.told["type"], each.told["data"]["status"]) for each in receiver.taken}
    assert told == {
        waiting.row.id: ("request.expired", "expired"),
        running.row.id: ("request.elapsed", "elapsed"),
    }
    for request_id in told:
        (message,) = [each for each in receiver.taken if each.told["data"]["id"] == request_id]
        assert message.told["data"] == await represented(enrolled, request_id)


async def test_types_and_institutions_narrow_what_is_told(world: World, receiver: Receiver) -> None:
    await listen(world, receiver, "request.approved", path="/approved")
    await listen(world, receiver, "request.*", "message.*", path="/all")
    wanted = Wanted(receiver.url("/elsewhere"), ("*",), None)
    with pytest.raises(Refused, match="institution-unknown"):
        await webhooks.create(world.services, limited(world, "01OTHER_INST"), wanted)
    await world.file(**IMPLEMENTATION)
    await deliver_all(world)
    assert Counter(each.path for each in receiver.taken) == {"/approved": 1, "/all": 3}


async def test_both_secrets_sign_for_a_day_after_a_rotation(world: World, receiver: Receiver) -> None:
    name, old = await listen(world, receiver, "request.created")
    new = await webhooks.rotate(world.services, await admin(world), name)
    await world.file(**IMPLEMENTATION)
    await deliver_all(world)
    world.skip(timedelta(hours=24))
    await world.file(**IMPLEMENTATION)
    await deliver_all(world)
    signed = [(each.is_signed(old), each.is_signed(new)) for each in receiver.taken]
    assert signed == [(True, True), (False, True)]
    assert (await see(world, name)).row.old_secret_until is not None


async def test_a_reply_that_was_lost_brings_the_same_message_again(world: World, receiver: Receiver) -> None:
    await listen(world, receiver, "request.created")
    await world.file(**IMPLEMENTATION)
    receiver.drop = True
    await deliver_all(world)
    receiver.drop = False
    world.skip(timedelta(minutes=1))
    await deliver_all(world)
    first, again = receiver.taken
    assert (first.id, first.body, first.sequence) == (again.id, again.body, again.sequence)
    assert first.headers["webhook-timestamp"] != again.headers["webhook-timestamp"]
    world.skip(timedelta(days=1))
    assert await deliver(world) == 0


@pytest.mark.parametrize("status", [307, 404, 500])
async def test_an_answer_of_another_kind_has_failed_and_no_redirect_is_followed(
    world: World, receiver: Receiver, status: int
) -> None:
    async with receiving() as canary:
        receiver.status, receiver.headers = status, {"Location": canary.url()}
        name, _ = await listen(world, receiver, "request.created", "request.approved")
        await world.file(**IMPLEMENTATION)
        assert await deliver(world) == 2  # it is no reason to spare the endpoint the others
        assert (receiver.calls, canary.calls) == (2, 0)
        assert (await see(world, name)).health.error == f"answered {status}"


@pytest.mark.parametrize("status,wait", [(429, 0), (502, 0), (503, 600), (504, 0)])
async def test_an_endpoint_that_asks_for_a_rest_gets_it(
    world: World, receiver: Receiver, status: int, wait: int
) -> None:
    receiver.status, receiver.headers = status, {"Retry-After": str(wait)} if wait else {}
    name, _ = await listen(world, receiver, "request.*")
    await world.file(**IMPLEMENTATION)
    await deliver_all(world)
    assert receiver.calls == 1
    paused = (await see(world, name)).health.paused_until
    assert paused is not None
    assert paused - world.now() > timedelta(seconds=max(25, wait - 5))
    receiver.status, receiver.headers = 200, {}
    world.skip(timedelta(seconds=max(36, wait + 1)))
    await deliver_all(world)
    assert [each.sequence for each in receiver.taken] == [1, 1, 2, 3]
    health = (await see(world, name)).health
    assert (health.failures, health.paused_until, health.error) == (0, None, None)


async def test_an_endpoint_that_is_gone_is_told_nothing_more_until_it_is_enabled_again(
    world: World, receiver: Receiver
) -> None:
    receiver.status = 410
    name, _ = await listen(world, receiver, "request.*")
    await world.file(**IMPLEMENTATION)
    await deliver_all(world)
    view = await see(world, name)
    assert (receiver.calls, view.row.enabled, view.counted.waiting, view.counted.dead) == (1, False, 0, 3)
    await world.file(**IMPLEMENTATION)
    assert (await see(world, name)).counted.dead == 3
    receiver.status = 200
    await webhooks.change(world.services, await admin(world), name, Wanted(enabled=True), None)
    await webhooks.redeliver(world.services, await admin(world), name)
    await deliver_all(world)
    assert [each.sequence for each in receiver.taken] == [1, 1, 2, 3]


async def test_a_message_is_given_up_after_three_days_shown_and_sent_again_when_that_is_asked(
    world: World, receiver: Receiver
) -> None:
    receiver.status = 500
    name, _ = await listen(world, receiver, "request.created")
    filed = await world.file(**IMPLEMENTATION)
    begun = world.now()
    while (await see(world, name)).counted.waiting:
        await deliver_all(world)
        world.skip(timedelta(hours=2, minutes=24))
    assert timedelta(days=3) - timedelta(hours=5) < world.now() - begun < timedelta(days=3, hours=5)
    (dead,) = (await webhooks.dead_letters(world.services, await admin(world), name, 10, None)).items
    assert (dead.about, dead.error, dead.rendered) == (filed.row.id, "answered 500", None)
    assert 25 < receiver.calls < 60
    receiver.status = 204
    assert (await webhooks.redeliver(world.services, await admin(world), name)).counted.waiting == 1
    await deliver_all(world)
    assert receiver.taken[-1].body == receiver.taken[0].body
    assert (await see(world, name)).counted.dead == 0


async def test_logs_of_the_institutions_concerned_say_which_webhooks_are_told_about_them(
    enrolled: World, receiver: Receiver
) -> None:
    name, _ = await listen(enrolled, receiver, "request.*", "message.sent")
    await webhooks.change(enrolled.services, await admin(enrolled), name, Wanted(types=("*",)), None)
    await webhooks.rotate(enrolled.services, await admin(enrolled), name)
    await webhooks.remove(enrolled.services, await admin(enrolled), name, None)
    stored = await logged(enrolled, "webhook.set", "webhook.removed")
    assert [each.entry.type for each in stored] == [*["webhook.set"] * 3, "webhook.removed"]
    assert {each.entry.actor.id for each in stored} == {(await admin(enrolled)).cli}
    assert [each.entry.data.get("types") for each in stored] == [["message.sent", "request.*"], ["*"], ["*"], None]
    report = await enrolled.verify(await enrolled.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_a_removed_webhook_hears_nothing_more_of_what_waits(world: World, receiver: Receiver) -> None:
    name, _ = await listen(world, receiver)
    await world.file(**IMPLEMENTATION)
    await webhooks.remove(world.services, await admin(world), name, None)
    assert (await deliver(world), receiver.calls) == (0, 0)
    with pytest.raises(Refused, match="not-found"):
        await see(world, name)


async def test_what_is_rolled_back_is_told_to_nobody(world: World, receiver: Receiver) -> None:
    await listen(world, receiver, "request.completed")
    filed = await world.file(**IMPLEMENTATION)
    with pytest.raises(RuntimeError, match="struck"):
        await _complete_in_vain(world, filed.row.id)
    await deliver_all(world)
    assert receiver.calls == 0


async def _complete_in_vain(world: World, request_id: str) -> None:
    async with write(world.services, CODE) as book:
        held = await hold(book, request_id)
        held.tell(*unwrap(complete(held.request, Actor("client", world.client), "Done.", book.now)))
        await held.store()
        raise RuntimeError("struck")


async def test_two_workers_at_once_send_nothing_twice(world: World, receiver: Receiver) -> None:
    names = [(await listen(world, receiver, path=f"/{place}"))[0] for place in range(3)]
    for _ in range(4):
        await world.file(**IMPLEMENTATION)
    for _ in range(4):
        await asyncio.gather(deliver(world), deliver(world))
    assert len(receiver.taken) == len({(each.path, each.id) for each in receiver.taken}) == 3 * 4 * len(names)


async def test_an_endpoint_that_is_down_keeps_nothing_from_the_others(world: World, receiver: Receiver) -> None:
    async with receiving() as other:
        receiver.down = True
        await listen(world, receiver)
        await listen(world, other)
        for _ in range(5):
            await world.file(**IMPLEMENTATION)
        await deliver_all(world)
        assert (receiver.calls, len(other.taken)) == (1, 15)


ENDPOINTS, REQUESTS, TOLD_OF_EACH = 12, 28, 3


async def test_a_sink_that_is_down_for_an_hour_gets_a_thousand_messages_each_and_twice_only_where_a_reply_was_lost(
    enrolled: World, receiver: Receiver
) -> None:
    """Down means that it reads a message whole and breaks the connection before it answers."""
    for place in range(ENDPOINTS):
        await listen(enrolled, receiver, "request.created", "request.approved", "request.activated", path=f"/{place}")
    receiver.drop = True
    filed = [await enrolled.file(**IMPLEMENTATION) for _ in range(REQUESTS)]
    for _ in range(12):
        await deliver_all(enrolled)
        enrolled.skip(timedelta(minutes=5))
    lost = Counter((each.path, each.id) for each in receiver.taken)
    assert lost
    waiting = await enrolled.file()
    await enrolled.sign_in(HEAD)
    await enrolled.approve(HEAD, waiting.row.id)  # nobody's decision waits for a sink
    receiver.drop, receiver.taken = False, []
    for _ in range(3):
        await deliver_all(enrolled)
        enrolled.skip(timedelta(minutes=70))
    messages = Counter((each.path, each.id) for each in receiver.taken)
    assert len(messages) == ENDPOINTS * (REQUESTS + 1) * TOLD_OF_EACH > 1_000
    assert set(messages.values()) == {1}
    assert lost.keys() <= messages.keys()
    assert {each.row.id for each in filed} < {each.told["data"]["id"] for each in receiver.taken}


async def test_a_new_institution_is_told_about_from_its_first_entries_on(world: World, receiver: Receiver) -> None:
    name, _ = await listen(world, receiver)
    declared = file(world)
    new = replace(declared, institutions=(*declared.institutions, another(world, "02NEW_INST")))
    assert not (await apply(world.services, new, operator(world.services, "tests"))).refused
    async with world.services.database.read() as tx:
        stored = await entries.read_leaves(tx, "02NEW_INST", 0, 2)
    assert [each.entry.type for each in stored] == ["trail.opened", "webhook.set"]
    await webhooks.remove(world.services, await admin(world), name, None)
    assert await doctor.examine(world.services) == []
