"""Delivery by SMTP (RFC 5321): one attempt, one verdict for each recipient.

Refusals of the 5xx kind to a sender, recipient or message are permanent. All else is temporary: 4xx, a connection that
fails or breaks (after DATA too: then the peer may have the mail, and gets it once more under the same Message-ID), and
whatever the operator can put right, such as credentials and TLS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib

_QUIT_S = 5.0
_SCHEMES: dict[str, tuple[Literal["none", "implicit", "starttls"], int]] = {
    "smtp": ("none", 25),
    "smtps": ("implicit", 465),
    "smtp+starttls": ("starttls", 587),
}


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Where to deliver. `timeout_s` bounds the whole attempt; `username` null means no authentication."""

    host: str
    port: int
    tls: Literal["none", "implicit", "starttls"] = "none"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_s: float = 60.0

    @classmethod
    def from_url(cls, url: str, timeout_s: float = 60.0) -> SmtpSettings:
        """Of `smtp://`, `smtps://` or `smtp+starttls://` and `[user:password@]host[:port]`.

        Raises `ValueError`, which never quotes the URL.
        """
        wrong = ValueError("an SMTP URL is smtp://, smtps:// or smtp+starttls:// [user:password@]host[:port]")
        try:
            parts = urlsplit(url)
            given_port = parts.port
        except ValueError:
            raise wrong from None  # the cause quotes the URL, secret and all
        if parts.scheme not in _SCHEMES or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
            raise wrong
        if (parts.username is None) != (parts.password is None):
            raise wrong
        tls, port = _SCHEMES[parts.scheme]
        username, password = (unquote(part) if part is not None else None for part in (parts.username, parts.password))
        return cls(parts.hostname, given_port or port, tls, username, password, timeout_s)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The peer took responsibility."""


@dataclass(frozen=True, slots=True)
class Temporary:
    """Not now: try again later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Permanent:
    """Never: the peer refused for good."""

    reason: str


Delivery = Delivered | Temporary | Permanent


async def send(settings: SmtpSettings, raw: bytes, sender: str, recipients: Sequence[str]) -> dict[str, Delivery]:
    """Tries once to deliver `raw`; says for each recipient what came of it. Raises nothing that a peer can cause."""
    client = aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        username=settings.username,
        password=settings.password,
        use_tls=settings.tls == "implicit",
        start_tls=settings.tls == "starttls",
        timeout=settings.timeout_s,
    )
    try:
        async with asyncio.timeout(settings.timeout_s):
            await client.connect()
            refused = await _exchange(client, raw, sender, recipients)
    except (aiosmtplib.SMTPException, OSError) as error:
        client.close()
        return dict.fromkeys(recipients, Temporary(f"{type(error).__name__}: {error}"))
    await _leave(client)
    return {recipient: refused.get(recipient, Delivered()) for recipient in recipients}


async def _exchange(
    client: aiosmtplib.SMTP, raw: bytes, sender: str, recipients: Sequence[str]
) -> dict[str, Temporary | Permanent]:
    """The refused recipients and why; a refusal of sender or data refuses them all."""
    try:
        answers, _ = await client.sendmail(sender, list(recipients), raw)
    except aiosmtplib.SMTPRecipientsRefused as error:
        return {refusal.recipient: _verdict(refusal.code, refusal.message) for refusal in error.recipients}
    except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
        return dict.fromkeys(recipients, _verdict(error.code, error.message))
    return {recipient: _verdict(answer.code, answer.message) for recipient, answer in answers.items()}


def _verdict(code: int, message: str) -> Temporary | Permanent:
    return (Permanent if 500 <= code < 600 else Temporary)(f"{code} {message}")


async def _leave(client: aiosmtplib.SMTP) -> None:
    # The verdicts stand: what a peer makes of QUIT cannot change who has the mail.
    with suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=_QUIT_S)
    client.close()
