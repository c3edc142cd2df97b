"""The real parts work as the tests that use them take for granted."""

from __future__ import annotations

from email.message import EmailMessage
from typing import TYPE_CHECKING

import aiosmtplib
import psycopg
import pytest

from demo.browser import read_forms
from demo.parts import PartFailed, run_part
from tests.fixtures.postgres import DatabaseUrls
from tests.fixtures.smtp import SmtpSink

if TYPE_CHECKING:
    from playwright.async_api import Browser


def _mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.edu", "b@example.edu", "Grüße"
    message.set_content("body")
    return message


@pytest.mark.postgres
def test_each_test_has_a_database_of_its_own_and_the_service_owns_nothing_in_it(postgres_url: DatabaseUrls) -> None:
    with psycopg.connect(postgres_url.owner) as owner:
        owner.execute("CREATE TABLE kept (id int)")
    with psycopg.connect(postgres_url.app) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("SELECT * FROM kept")
    with psycopg.connect(postgres_url.app) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("CREATE TABLE mine (id int)")


@pytest.mark.browser
async def test_the_browser_shows_a_page(browser: Browser) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.set_content("<title>Countersign</title><p>hello")
    assert await page.title() == "Countersign"


async def test_the_mail_peer_keeps_what_it_is_sent(smtp_sink: SmtpSink) -> None:
    await aiosmtplib.send(_mail(), hostname="127.0.0.1", port=smtp_sink.port)
    (delivery,) = await smtp_sink.wait(1)
    assert (delivery.sender, delivery.recipients) == ("a@example.edu", ("b@example.edu",))
    assert delivery.message["subject"] == "Grüße"


async def test_the_mail_peer_refuses(smtp_sink: SmtpSink) -> None:
    smtp_sink.refuse = "451 4.3.0 later"
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await aiosmtplib.send(_mail(), hostname="127.0.0.1", port=smtp_sink.port)
    assert (smtp_sink.attempts, smtp_sink.deliveries) == (1, [])


async def test_the_mail_peer_breaks_off_after_it_took_the_message(smtp_sink: SmtpSink) -> None:
    smtp_sink.drop = True
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await aiosmtplib.send(_mail(), hostname="127.0.0.1", port=smtp_sink.port)
    assert len(smtp_sink.deliveries) == 1


def test_a_part_that_ends_before_it_is_ready_tells_its_last_words() -> None:
    with pytest.raises(PartFailed, match="no such luck"), run_part(["sh", "-c", "echo no such luck"], "ready"):
        pass


def test_a_form_is_read_as_a_browser_would_send_it() -> None:
    page = """<form method=post action="answer"><input type=hidden name=csrf value="a&amp;b"><select name=from>
        <option value=1><option value=2 selected></select><input type=checkbox name=role value=r1 checked>
        <input type=checkbox name=role value=r2 checked><input type=radio name=window value=own><textarea name=note>
        hi</textarea><button name=decision value=approve>Approve</button></form>"""
    (form,) = read_forms(page, "http://127.0.0.1:1/requests/req_1")
    assert (form.method, form.action) == ("post", "http://127.0.0.1:1/requests/answer")
    body = form.filled(decision="approve", window="own")
    assert body == {"csrf": "a&b", "from": "2", "role": ["r1", "r2"], "note": "\n        hi"} | {
        "decision": "approve",
        "window": "own",
    }
    with pytest.raises(KeyError, match="why"):
        form.filled(why="x")
