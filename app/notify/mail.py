"""A message and its envelope → the bytes to send (RFC 5322, RFC 2045 to 2049, RFC 3834, RFC 2919).

The receipt stands in the text, in the HTML and, exactly the note's bytes, in the attachment `receipt.checkpoint`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from app.notify.messages import Message
from app.notify.safe_text import line

# Bodies: quoted-printable lines of at most 76 characters. Headers: `email` would encode, and so spoil, a message id
# that does not fit a line, so lines may be longer than the customary 78 (998 is the limit).
_BODY = SMTP.clone(max_line_length=76)
_HEADERS = SMTP.clone(max_line_length=200)
_ADDRESS = re.compile(r"[!-~]+@[A-Za-z0-9.\-\[\]:]+")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who gets it and what it belongs to.

    `sender` is the service's address, `code` the institution's; `reply_to` are the institution's admins, empty in mails
    to the vendor; `message_id` is stable over retries; `first` is the Message-ID that began the thread (null: this one
    does).
    """

    sender: str
    code: str
    to: tuple[str, ...]
    reply_to: tuple[str, ...]
    date: datetime
    message_id: str
    first: str | None = None


def message_id(outbox_id: str, domain: str) -> str:
    """The Message-ID of an outbox row, the same on every retry. Raises `ValueError` for what would not be one."""
    return _checked_id(f"<{outbox_id}@{domain}>")


def build(message: Message, envelope: Envelope, receipt: bytes) -> bytes:
    """The mail, ready for SMTP. Raises `ValueError` for an address or id that is not plain ASCII of the right form."""
    mail = EmailMessage(policy=_BODY)
    _head(mail, message, envelope)
    mail.set_content(message.text, cte="quoted-printable")
    mail.add_alternative(message.html, subtype="html", cte="quoted-printable")
    mail.add_attachment(
        receipt, maintype="text", subtype="plain", filename="receipt.checkpoint", params={"charset": "utf-8"}
    )
    if message.calendar is not None:
        method = "CANCEL" if b"\r\nMETHOD:CANCEL\r\n" in message.calendar else "PUBLISH"
        mail.add_attachment(
            message.calendar,
            maintype="text",
            subtype="calendar",
            filename="window.ics",
            params={"method": method, "charset": "utf-8"},
        )
    return mail.as_bytes(policy=_HEADERS)


def _head(mail: EmailMessage, message: Message, envelope: Envelope) -> None:
    mail["From"] = _address(envelope.sender, message.sender)
    mail["To"] = [_address(to) for to in envelope.to]
    if envelope.reply_to:
        mail["Reply-To"] = [_address(to) for to in envelope.reply_to]
    mail["Subject"] = _field(message.subject)
    mail["Date"] = format_datetime(envelope.date)
    mail["Message-ID"] = _checked_id(envelope.message_id)
    if envelope.first is not None and envelope.first != envelope.message_id:
        mail["In-Reply-To"] = mail["References"] = _checked_id(envelope.first)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["List-Id"] = f"{_field(message.list_name)} <{_list(envelope)}>"


def _address(address: str, name: str = "") -> Address:
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"not an ASCII mail address: {address!r}")
    return Address(_field(name), addr_spec=address)


def _field(text: str) -> str:
    # `email` decodes what looks like an RFC 2047 word in a value it is given, line breaks in it included, and would
    # write them out as new header fields: so nothing may look like one.
    return line(text).replace("=?", "=\u2060?")


def _list(envelope: Envelope) -> str:
    label = re.sub(r"[^a-z0-9]+", "-", envelope.code.lower()).strip("-")
    return f"{label}.requests.{envelope.sender.rpartition('@')[2]}"


def _checked_id(value: str) -> str:
    if not _MESSAGE_ID.fullmatch(value):
        raise ValueError(f"not a Message-ID: {value!r}")
    return value
