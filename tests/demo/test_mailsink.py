from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from app.notify.mail import build
from app.notify.messages import render
from app.notify.smtp import SmtpSettings, send
from demo import mailsink
from tests.notify.samples import NEEDED, RECEIPT
from tests.notify.test_mail import ENVELOPE

RAW = build(render(NEEDED, RECEIPT), ENVELOPE, RECEIPT)


@pytest.fixture
async def sink() -> mailsink.MailSink:
    return mailsink.MailSink()


@pytest.fixture
async def browser(sink: mailsink.MailSink) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(mailsink.pages(sink))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def deliver(sink: mailsink.MailSink, raw: bytes, to: str = "systems@example.edu") -> None:
    async with mailsink.smtp_side(sink, 0) as port:
        await send(SmtpSettings("127.0.0.1", port), raw, "requests@countersign.example", [to])


async def test_a_mail_that_came_in_is_listed_shown_and_given_back_byte_for_byte(
    sink: mailsink.MailSink, browser: httpx2.AsyncClient
) -> None:
    assert "No mail yet" in (await browser.get("/")).text
    await deliver(sink, RAW)
    assert "Approval needed by 20:00 CET" in (await browser.get("/")).text
    page = await browser.get("/mails/1")
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    assert f'href="{NEEDED.request.link}"' in page.text
    assert (await browser.get("/mails/1.eml")).content == RAW
    (mail,) = (await browser.get("/mails.json")).json()
    assert mail["links"] == [NEEDED.request.link]
    assert mail["to"] == ["systems@example.edu"]
    assert mail["message_id"] == ENVELOPE.message_id
    assert mail["raw"] == "/mails/1.eml"


async def test_what_is_not_there_is_404(browser: httpx2.AsyncClient) -> None:
    assert [(await browser.get(path)).status_code for path in ("/mails/1", "/mails/1.eml", "/x")] == [404, 404, 404]


async def test_a_hostile_mail_is_shown_as_text(sink: mailsink.MailSink, browser: httpx2.AsyncClient) -> None:
    script = b"<script>alert(1)</script>"
    await deliver(sink, b"Subject: " + script + b"\r\nContent-Type: text/html\r\n\r\n" + script + b'" onload="x')
    for path in ("/", "/mails/1"):
        page = await browser.get(path)
        assert "<script" not in page.text
        assert 'onload="' not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


async def test_only_the_newest_mails_are_kept(sink: mailsink.MailSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailsink, "KEPT", 2)
    for n in range(3):
        await deliver(sink, b"Subject: %d\r\n\r\n" % n)
    assert [mail.subject for mail in sink.mails] == ["1", "2"]
