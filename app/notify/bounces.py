"""Bounces: reports that a mail did not arrive (RFC 3464), read strictly, and the return addresses they come back to.

Each mail has an envelope sender of its own, `bounces+<id>-<tag>@…` (variable envelope return paths): a report is
believed only where the tag, a MAC of the id, is right, so nobody who has not seen the mail can say that it bounced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import policy
from email.errors import MessageError
from email.message import EmailMessage, Message
from email.parser import BytesParser
from typing import Any

from app.notify.safe_text import line

MAX_REPORT = 4 << 20
_MAX_ENDS = 200_000
_TO = ("Delivered-To", "X-Original-To", "Envelope-To", "To")
_RETURN = re.compile(r"\+([0-9a-z]{26})-([a-z2-7]{16})@")
_STATUS = re.compile(r"\s*([245])\.\d{1,3}\.\d{1,3}\b")


@dataclass(frozen=True, slots=True)
class Bounce:
    """A report that a mail was given up: the outbox's `evt_…`, the tag that it came with, whether it is for good, and
    what the peer said.
    """

    mail: str
    tag: str
    permanent: bool
    reason: str


def return_address(base: str, mail: str, tag: str) -> str:
    """Where reports about a mail (an `evt_…`) go: `base` with its id and tag behind a `+`."""
    local, _, domain = base.rpartition("@")
    return f"{local}+{mail.removeprefix('evt_')}-{tag}@{domain}"


def read(raw: bytes) -> Bounce | None:
    """The bounce that a mail is; null for any other mail, such as an absence note or news of a delay."""
    if len(raw) > MAX_REPORT or raw.count(b"\n") + raw.count(b"\r") > _MAX_ENDS:
        return None
    try:
        mail = BytesParser(policy=policy.compat32).parsebytes(raw)
        returned = _returned(mail)
        failed = [each for each in _recipients(mail) if _value(each, "Action").lower() == "failed"]
    except (MessageError, ValueError, LookupError, RecursionError):
        return None
    if returned is None or not failed:
        return None
    status = _STATUS.match(_value(failed[0], "Status"))
    said = _value(failed[0], "Diagnostic-Code").partition(";")[2] or _value(failed[0], "Status")
    return Bounce(f"evt_{returned[0]}", returned[1], status is not None and status[1] == "5", line(said))


def _returned(mail: Message) -> tuple[str, str] | None:
    for name in _TO:
        for value in mail.get_all(name, []):
            found = _RETURN.search(str(value).lower())
            if found is not None:
                return found[1], found[2]
    return None


def _recipients(mail: Message) -> list[Message]:
    """The blocks of a delivery status but its first, which is about the mail as a whole (section 2.1)."""
    if mail.get_content_type() != "multipart/report" or not mail.is_multipart():
        return []
    parts: Any = mail.get_payload()
    for part in parts:
        if part.get_content_type() == "message/delivery-status" and part.is_multipart():
            return [block for block in part.get_payload()[1:] if isinstance(block, (Message, EmailMessage))]
    return []


def _value(block: Message, name: str) -> str:
    return " ".join(str(block.get(name, "")).split())
