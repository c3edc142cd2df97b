"""An institution's own webhooks: set and kept by its admins alone, told of that institution alone."""

from __future__ import annotations

import pytest
from standardwebhooks import Webhook

from app.actions import own_webhooks, webhooks
from app.actions.webhooks import Wanted
from app.domain.errors import Refused
from tests.actions.test_webhooks import admin, deliver_all, listen, logged, receiver, represented
from tests.actions.worlds import CODE, HEAD, LIBRARIAN, World
from tests.fixtures.receiver import Receiver

__all__ = ["receiver"]


async def test_an_admins_webhook_is_told_of_its_institution_as_the_api_represents_it(
    enrolled: World, receiver: Receiver
) -> None:
    head = await enrolled.visitor(HEAD)
    view, secret = await webhooks.create(enrolled.services, head, Wanted(receiver.url("/own"), ("*",)))
    assert (view.row.client, view.row.institutions) == (None, (CODE,))
    filed = await enrolled.file()
    await deliver_all(enrolled)
    (told,) = receiver.taken
    assert Webhook(secret).verify(told.body, told.headers) == told.told
    assert told.told["data"] == await represented(enrolled, filed.row.id)
    (set_,) = await logged(enrolled, "webhook.set")
    assert (set_.entry.actor.kind, set_.entry.actor.id) == ("person", head.person)
    assert await webhooks.rotate(enrolled.services, head, view.row.id) != secret
    await webhooks.remove(enrolled.services, head, view.row.id, None)
    assert await own_webhooks.told_about(enrolled.services, head) == []
    report = await enrolled.verify(await enrolled.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_neither_keeps_the_others_but_an_admin_sees_who_is_told(enrolled: World, receiver: Receiver) -> None:
    head, console = await enrolled.visitor(HEAD), await admin(enrolled)
    own = (await webhooks.create(enrolled.services, head, Wanted(receiver.url("/own"), ("*",))))[0].row.id
    vendors, _ = await listen(enrolled, receiver)
    told = await own_webhooks.told_about(enrolled.services, head)
    assert {(each.view.row.id, each.own, each.client) for each in told} == {
        (own, True, None),
        (vendors, False, "administration"),
    }
    assert [each.row.id for each in (await webhooks.find(enrolled.services, console, 50, None)).items] == [vendors]
    for who, name in ((console, own), (head, vendors), (await enrolled.visitor(LIBRARIAN), own)):
        for act in (webhooks.read, webhooks.rotate, webhooks.redeliver):
            with pytest.raises(Refused) as no:
                await act(enrolled.services, who, name)
            assert no.value.refusal.problem == "not-found"
        with pytest.raises(Refused) as no:
            await webhooks.remove(enrolled.services, who, name, None)
        assert no.value.refusal.problem == "not-found"
    with pytest.raises(Refused) as no:
        await webhooks.create(enrolled.services, await enrolled.visitor(LIBRARIAN), Wanted(receiver.url("/x"), ("*",)))
    assert no.value.refusal.problem == "not-found"


async def test_an_admins_webhook_leads_nowhere_inside(enrolled: World) -> None:
    for url in ("ftp://a.example/", "https://user:secret@a.example/", ""):
        with pytest.raises(Refused) as no:
            await webhooks.create(enrolled.services, await enrolled.visitor(HEAD), Wanted(url, ("*",)))
        assert no.value.refusal.problem == "validation"
