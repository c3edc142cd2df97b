"""The settings pages of webhooks and of API clients."""

from __future__ import annotations

from tests.actions.worlds import HEAD, LIBRARIAN
from tests.web.reading import judge
from tests.web.site import Site

HOOKS, CLIENTS = "/settings/webhooks", "/settings/clients"


async def test_an_admin_adds_a_webhook_sees_its_secret_once_and_removes_it(site: Site) -> None:
    site.enter(HEAD)
    await site.open(HOOKS)
    judge(site.text)
    assert "Nobody is told." in site.text
    await site.send(HOOKS)
    assert site.status == 422
    judge(site.text)
    assert "Choose what it is told." in site.text
    await site.send(HOOKS, url="https://siem.example.edu/hook?key=1", type="*")
    judge(site.text)
    assert "whsec_" in site.text
    await site.open(HOOKS)
    judge(site.text)
    assert "siem.example.edu" in site.text
    assert "whsec_" not in site.text
    assert "key=1" not in site.text
    path = next(link for link in judge(site.text).links if link.startswith(f"{HOOKS}/"))
    await site.open(path)
    judge(site.text)
    await site.send(path, act="rotate")
    judge(site.text)
    assert "whsec_" in site.text
    await site.open(path)
    assert "Signs too until" in site.text
    form = site.form(path)
    assert (await site.post(form, act="redeliver")).status_code == 303
    assert (await site.post(form, act="else")).status_code == 422
    site.enter(LIBRARIAN)
    assert [(await site.get(each)).status_code for each in (HOOKS, path, CLIENTS)] == [404, 404, 404]
    site.enter(HEAD)
    assert (await site.post(form, act="remove")).status_code == 303
    await site.open(HOOKS)
    assert "Nobody is told." in site.text


async def test_an_admin_tells_a_channel_whose_address_no_page_shows_again(site: Site) -> None:
    site.enter(HEAD)
    await site.open(HOOKS)
    address = "https://hooks.slack.com/services/T000/B000/a-secret"
    await site.send(HOOKS, kind="irc", url=address, type="request.*")
    assert site.status == 422
    judge(site.text)
    assert "Choose Slack or Teams." in site.text
    await site.send(HOOKS, kind="slack", url=address, type="request.*")
    assert (site.status, "whsec_" in site.text) == (200, False)
    judge(site.text)
    assert "A channel of Slack" in site.text
    assert "Make a new secret" not in site.text
    assert "a-secret" not in site.text
    path = site.path
    await site.open(HOOKS)
    judge(site.text)
    assert "Your own, a channel of Slack." in site.text
    assert "a-secret" not in site.text
    await site.open(path)
    await site.send(path, act="remove")


async def test_an_admin_sees_the_machines_that_read_the_trail(site: Site) -> None:
    site.enter(HEAD)
    await site.open("/settings")
    assert {HOOKS, CLIENTS} <= set(judge(site.text).links)
    await site.open(CLIENTS)
    judge(site.text)
    assert "A client of your own" in site.text
