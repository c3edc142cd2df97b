from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from app.notify.smtp import Delivered, Permanent, SmtpSettings, Temporary, send
from tests.fixtures.smtp import SmtpSink

RAW = b"Subject: x\r\n\r\n.a line with a dot\r\n"
ONE, TWO = "one@example.edu", "two@example.edu"


def settings(sink: SmtpSink, timeout_s: float = 10) -> SmtpSettings:
    return SmtpSettings.from_url(sink.url, timeout_s)


class Connection(SMTP):
    """One connection of a peer; `over` once it is closed on the peer's side too."""

    def __init__(self, handler: object, **options: Any) -> None:
        super().__init__(handler, **options)
        self.over = asyncio.Event()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.over.set()


@asynccontextmanager
async def peer(handler: object, **options: Any) -> AsyncIterator[SmtpSettings]:
    connections: list[Connection] = []

    def connect() -> Connection:
        connections.append(Connection(handler, **options))
        return connections[-1]

    async with await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0) as server:
        yield SmtpSettings("127.0.0.1", server.sockets[0].getsockname()[1], timeout_s=10)
    for connection in connections:
        await connection.over.wait()


class Peer:
    """Answers as it is told; hangs at DATA while `slow`."""

    def __init__(self, *, mail: str = "250 OK", rcpt: dict[str, str] | None = None, data: str = "250 OK") -> None:
        self.mail, self.rcpt, self.data = mail, rcpt or {}, data
        self.slow = False
        self.forever = asyncio.Event()

    async def handle_MAIL(  # noqa: N802 aiosmtpd finds it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mail.startswith("250"):
            envelope.mail_from = address
        return self.mail

    async def handle_RCPT(  # noqa: N802 aiosmtpd finds it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.rcpt.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 as above
        if self.slow:
            await self.forever.wait()
        return self.data


async def test_a_mail_arrives_as_it_was_sent(smtp_sink: SmtpSink) -> None:
    assert await send(settings(smtp_sink), RAW, "from@a.example", [ONE, TWO]) == {ONE: Delivered(), TWO: Delivered()}
    (delivery,) = smtp_sink.deliveries
    assert (delivery.sender, delivery.recipients, delivery.content) == ("from@a.example", (ONE, TWO), RAW)


@pytest.mark.parametrize("answer,verdict", [("451 4.3.0 later", Temporary), ("550 5.1.1 unknown", Permanent)])
async def test_a_refused_recipient_is_temporary_or_permanent_by_its_code(
    smtp_sink: SmtpSink, answer: str, verdict: type[Temporary | Permanent]
) -> None:
    smtp_sink.refuse = answer
    assert await send(settings(smtp_sink), RAW, "from@a.example", [ONE]) == {ONE: verdict(answer)}
    assert smtp_sink.deliveries == []


async def test_each_recipient_has_a_verdict_of_its_own() -> None:
    async with peer(Peer(rcpt={ONE: "550 gone", TWO: "450 busy"})) as place:
        verdicts = await send(place, RAW, "from@a.example", [ONE, TWO, "three@example.edu"])
    assert verdicts == {ONE: Permanent("550 gone"), TWO: Temporary("450 busy"), "three@example.edu": Delivered()}


@pytest.mark.parametrize(
    "handler,verdict",
    [
        (lambda: Peer(mail="550 not you"), Permanent("550 not you")),
        (lambda: Peer(mail="450 not now"), Temporary("450 not now")),
        (lambda: Peer(data="554 spam"), Permanent("554 spam")),
        (lambda: Peer(data="452 full"), Temporary("452 full")),
    ],
)
async def test_a_refused_sender_or_message_counts_for_every_recipient(
    handler: object, verdict: Temporary | Permanent
) -> None:
    assert callable(handler)
    async with peer(handler()) as place:
        assert await send(place, RAW, "from@a.example", [ONE, TWO]) == {ONE: verdict, TWO: verdict}


async def test_a_connection_that_breaks_after_data_is_temporary_and_the_mail_may_come_twice(
    smtp_sink: SmtpSink,
) -> None:
    smtp_sink.drop = True
    (verdict,) = (await send(settings(smtp_sink), RAW, "from@a.example", [ONE])).values()
    assert isinstance(verdict, Temporary)
    smtp_sink.drop = False
    assert await send(settings(smtp_sink), RAW, "from@a.example", [ONE]) == {ONE: Delivered()}
    assert [delivery.content for delivery in smtp_sink.deliveries] == [RAW, RAW]


async def test_a_slow_peer_is_left_when_the_time_is_over() -> None:
    handler = Peer()
    handler.slow = True
    async with peer(handler) as place:
        (verdict,) = (await send(replace(place, timeout_s=0.2), RAW, "from@a.example", [ONE])).values()
        handler.forever.set()
    assert isinstance(verdict, Temporary)


async def test_a_peer_that_is_not_there_is_temporary() -> None:
    async with peer(Peer()) as gone:
        pass
    (verdict,) = (await send(gone, RAW, "from@a.example", [ONE])).values()
    assert isinstance(verdict, Temporary)


async def test_refused_credentials_are_temporary_because_the_operator_can_put_them_right() -> None:
    def refuse(*_: object) -> AuthResult:
        return AuthResult(success=False, handled=False)

    async with peer(Peer(), authenticator=refuse, auth_require_tls=False) as place:
        wrong = replace(place, username="user", password="wrong")
        (verdict,) = (await send(wrong, RAW, "from@a.example", [ONE])).values()
    assert isinstance(verdict, Temporary)
    assert "535" in verdict.reason
    assert "wrong" not in verdict.reason


async def test_a_peer_without_starttls_gets_nothing_where_it_is_asked_for() -> None:
    handler = Peer(mail="550 it should not come to this")
    async with peer(handler) as place:
        (verdict,) = (await send(replace(place, tls="starttls"), RAW, "from@a.example", [ONE])).values()
    assert isinstance(verdict, Temporary)


@pytest.mark.parametrize(
    "url,expected",
    [
        ("smtp://127.0.0.1:1025", SmtpSettings("127.0.0.1", 1025)),
        ("smtp://mail.example", SmtpSettings("mail.example", 25)),
        ("smtps://u:p%40ss@mail.example", SmtpSettings("mail.example", 465, "implicit", "u", "p@ss")),
        ("smtp+starttls://u%3A:p@[::1]:2525/", SmtpSettings("::1", 2525, "starttls", "u:", "p")),
    ],
)
def test_settings_are_read_from_a_url(url: str, expected: SmtpSettings) -> None:
    assert SmtpSettings.from_url(url) == expected
    assert "p@ss" not in repr(expected)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://mail.example",
        "smtp://",
        "smtp://u@mail.example",
        "smtp://a:1/x",
        "smtp://a?tls=1",
        "smtp://a:b:secret",
    ],
)
def test_any_other_url_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError) as refused:
        SmtpSettings.from_url(url)
    assert "secret" not in str(refused.value)
