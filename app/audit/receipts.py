"""Receipts: the checkpoint that a mail of the service carries, read strictly from the mail as it was kept.

The attachment `receipt.checkpoint` is the note. What is printed in the mail's text repeats it; where the text has the
origin's line, the three lines printed must be those of the attachment.
"""

from __future__ import annotations

from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser

NAME = "receipt.checkpoint"
MAX_MAIL = 32 << 20
_MAX_ENDS = 400_000
_PRINTED = 3  # origin, size, root


class ReceiptError(ValueError):
    """The file is no mail with a receipt."""


def receipt_of(mail: bytes) -> bytes:
    """The signed note that a mail carries. Raises `ReceiptError`."""
    if len(mail) > MAX_MAIL:
        raise ReceiptError("the mail is larger than 32 MiB")
    if mail.count(b"\n") + mail.count(b"\r") > _MAX_ENDS:  # each could be a header, which the parser keeps as an object
        raise ReceiptError("the mail has more than 200,000 lines")
    try:
        message = BytesParser(policy=policy.default).parsebytes(mail)
        notes = [_content(part) for part in message.walk() if part.get_filename() == NAME]
        texts = [_content(part) for part in message.walk() if part.get_content_type() == "text/plain"]
    except (MessageError, ValueError, LookupError, KeyError) as error:
        raise ReceiptError("the mail cannot be read") from error
    except RecursionError as error:
        raise ReceiptError("the mail's parts are nested too deeply") from error
    if len(notes) != 1:
        raise ReceiptError(f"the mail has {len(notes) or 'no'} attachments named {NAME}; one is wanted")
    _judge_print(notes[0], [text for text in texts if text != notes[0]])
    return notes[0]


def _content(part: EmailMessage) -> bytes:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        raise ReceiptError("a part of the mail cannot be read")
    return content


def _judge_print(note: bytes, texts: list[bytes]) -> None:
    """Where the mail prints a receipt of this origin, it is this one."""
    lines = [line.strip() for line in note.splitlines()[:_PRINTED]]
    if len(lines) < _PRINTED:
        raise ReceiptError(f"the attachment {NAME} is no checkpoint")
    for text in texts:
        printed = [line.strip() for line in text.splitlines()]
        places = [place for place, line in enumerate(printed) if line == lines[0]]
        if any(printed[place : place + _PRINTED] != lines for place in places):
            raise ReceiptError("the receipt that the mail prints is not the one it carries")
