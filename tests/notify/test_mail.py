from __future__ import annotations

import re
from dataclasses import fields, replace
from email import message_from_bytes
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.notify.facts import Facts, RequestFacts, frame
from app.notify.mail import Envelope, build, message_id
from app.notify.messages import render
from tests.counts import times
from tests.notify.samples import APPROVED, NEEDED, RECEIPT, REQUEST, REVOKED, SAMPLES, at

ENVELOPE = Envelope(
    sender="requests@countersign.example",
    code="01EXU_INST",
    to=("systems@example.edu",),
    reply_to=("library-systems@example.edu",),
    date=at(11),
    message_id=message_id("evt_01kdj4t8xqf5tb7rqk3mw2zn9c", "countersign.example"),
)
every = pytest.mark.parametrize("facts", SAMPLES.values(), ids=SAMPLES.keys())


class Seen(HTMLParser):
    """What a reader of the HTML part meets: its tags, and the targets of its links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: set[str | None] = set()
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets |= {value for name, value in attrs if name in {"href", "src", "action", "background", "srcset"}}
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(facts: Facts, envelope: Envelope = ENVELOPE) -> EmailMessage:
    return message_from_bytes(build(render(facts, RECEIPT), envelope, RECEIPT), policy=default)


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


@every
def test_a_mail_has_one_link_no_images_and_little_weight(facts: Facts) -> None:
    mail = read(facts)
    seen = Seen(body(mail, "html"))
    assert seen.targets == {frame(facts).link}
    assert set(re.findall(r"https?://[^\s\"'<>]+", body(mail, "plain"))) == {frame(facts).link}
    assert set(re.findall(r"https?://[^\s\"'<>]+", body(mail, "html"))) == {frame(facts).link}
    assert not {"img", "script", "link", "iframe", "form", "video", "svg"} & set(seen.tags)
    assert "url(" not in body(mail, "html")
    assert seen.open == []
    assert len(body(mail, "html").encode()) < 90_000


@every
def test_the_receipt_is_attached_byte_for_byte_and_printed_line_for_line(facts: Facts) -> None:
    mail = read(facts)
    attached = [part for part in mail.iter_attachments() if part.get_filename() == "receipt.checkpoint"]
    assert [part.get_payload(decode=True) for part in attached] == [RECEIPT]
    assert attached[0].get_content_type() == "text/plain"
    assert attached[0].get_content_charset() == "utf-8"
    assert attached[0]["Content-Transfer-Encoding"] == "base64"
    assert f"\n{RECEIPT.decode()}\n-- \n" in body(mail, "plain")
    assert f">{RECEIPT.decode()}</pre>" in body(mail, "html")


@every
def test_headers_are_those_of_an_automatic_mail(facts: Facts) -> None:
    mail = read(facts)
    assert set(mail.keys()) == {
        *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "List-Id"),
        "X-Auto-Response-Suppress",
        *("MIME-Version", "Content-Type"),
    }
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["List-Id"] == "Countersign requests for 01EXU_INST <01exu-inst.requests.countersign.example>"
    assert mail["From"] == "Countersign for Example University Library <requests@countersign.example>"
    assert mail["Message-ID"] == "<evt_01kdj4t8xqf5tb7rqk3mw2zn9c@countersign.example>"
    assert mail.get_content_type() == "multipart/mixed"
    assert next(part.get_content_type() for part in mail.iter_parts()) == "multipart/alternative"
    assert mail.defects == []


@every
def test_the_bytes_are_fit_for_any_relay(facts: Facts) -> None:
    raw = build(render(facts, RECEIPT), ENVELOPE, RECEIPT)
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 200
    encoded = [
        str(part.get_payload()) for part in message_from_bytes(raw, policy=default).walk() if not part.is_multipart()
    ]
    assert max(len(line) for text in encoded for line in text.splitlines()) <= 76


def test_follow_ups_name_the_first_mail_and_the_first_names_none() -> None:
    first = message_id("evt_1", "a-rather-long-name-of-a-host-that-does-not-fit-a-customary-line.countersign.example")
    follow_up = read(APPROVED, replace(ENVELOPE, first=first))
    assert follow_up["In-Reply-To"] == follow_up["References"] == first
    assert "In-Reply-To" not in read(NEEDED, replace(ENVELOPE, first=ENVELOPE.message_id))


def test_mails_to_the_vendor_have_no_reply_to() -> None:
    assert "Reply-To" not in read(NEEDED, replace(ENVELOPE, reply_to=()))


@pytest.mark.parametrize("facts,method", [(APPROVED, "PUBLISH"), (REVOKED, "CANCEL")])
def test_the_calendar_part_names_the_method_of_its_file(facts: Facts, method: str) -> None:
    part = next(part for part in read(facts).iter_attachments() if part.get_filename() == "window.ics")
    assert part.get_content_type() == "text/calendar"
    assert part.get_param("method") == method
    assert f"METHOD:{method}\r\n".encode() in cast("bytes", part.get_payload(decode=True))


HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)></td></table><a href=https://evil.example>x</a>",
    "attribute": "\" onmouseover=\"alert(1)' x='",
    "template": "{{ 7*7 }}{% raw %}{vendor}{0.__class__}%s",
    "comment": "--> <![endif]--> ]]>",
    "bidi": "\u202eevil\u2066\u2067\u2068 \u202d left open",
    "header": "x\r\nBcc: victim@evil.example\r\n\r\nbody",
    "separators": "a\u2028Bcc: b\u2029c\x0bd\x0ce\x85f",
    "controls": "nul\x00 bell\x07 escape\x1b[31m del\x7f c1\x9b lone\ud800",
    "endless": "W" * 4000,
    "endless markup": '"' * 4000,
    "endless astral": "𝕏" * 4000,
    "link": "see https://evil.example/approve HTTP://EVIL.example www.evil.example",
    "end of text": "\n\n-- \nReview this request:\nhttps://evil.example/\n",
    "hebrew": "תיקון הודעות (ABC)",
    "blank": " \t\n ",
    "encoded word": "=?utf-8?q?=0D=0ABcc=3A_victim=40evil.example?=",
    "address": 'Eve <eve@evil.example>, x@y.example; "q\\',
}


OURS = {"reader", "product", "locale", "time_zone", "code", "tier", "ground", "link", "number", "check_code"}


def poisoned(facts: Any, text: str) -> Any:
    """The same facts, hostile wherever somebody outside the service typed something."""
    changes: dict[str, Any] = {}
    for field in fields(facts):
        value = getattr(facts, field.name)
        if field.name in {"kind", "event", "result", "because", "side", "news", "calendar_uid", *OURS}:
            continue
        if isinstance(value, str):
            changes[field.name] = text
        elif field.name == "roles":
            changes[field.name] = (text, text, text)
        elif isinstance(value, tuple) and value and hasattr(value[0], "__dataclass_fields__"):
            changes[field.name] = tuple(poisoned(each, text) for each in value)
        elif field.name in {"titles", "items"}:
            changes[field.name] = (text, text)
        elif hasattr(value, "__dataclass_fields__"):
            changes[field.name] = poisoned(value, text)
    return replace(facts, **changes)


# One of each layout: kind, outcome, reader.
LAYOUTS = {
    (facts.kind, getattr(facts, "result", getattr(facts, "event", "")), frame(facts).reader): facts
    for facts in SAMPLES.values()
}


@pytest.mark.parametrize("facts", LAYOUTS.values(), ids=map(" ".join, LAYOUTS))
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_shown_as_text(facts: Facts, text: str) -> None:
    _judge(facts, text)
    mail = read(poisoned(facts, text))
    sender = cast("AddressHeader", mail["From"])
    assert [address.addr_spec for address in sender.addresses] == ["requests@countersign.example"]
    plain = body(mail, "plain")
    assert plain.count("\u2068") == plain.count("\u2069")
    assert max(map(len, plain.split(RECEIPT.decode())[0].splitlines())) <= 100
    assert plain.splitlines().count("-- ") == 1


def _judge(facts: Facts, text: str) -> None:
    harmless = read(facts)
    mail = read(poisoned(facts, text))
    assert mail.keys() == harmless.keys()
    assert mail.defects == []
    assert "\n" not in mail["Subject"]
    html, plain = body(mail, "html"), body(mail, "plain")
    seen, calm = Seen(html), Seen(body(harmless, "html"))
    assert seen.targets == calm.targets
    assert set(seen.tags) <= set(calm.tags) | {"br"}
    assert seen.open == []
    assert set(re.findall(r"https?://[^\s\"'<>]+", plain + html, re.IGNORECASE)) == {frame(facts).link}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", plain + html)
    assert len(html.encode()) < 90_000


@settings(max_examples=times(20, 500), deadline=None)
@given(facts=st.sampled_from(list(LAYOUTS.values())), text=st.text(max_size=5000))
def test_any_text_is_shown_as_text(facts: Facts, text: str) -> None:
    _judge(facts, text)


@pytest.mark.parametrize("name", ["engineer", "engineer_id", "case_title", "case_number", "institution"])
def test_what_people_typed_never_stands_in_a_subject_that_approvers_read(name: str) -> None:
    values: dict[str, Any] = {name: "Typed by somebody"}
    for facts in (NEEDED, APPROVED, REVOKED):
        typed: RequestFacts = replace(REQUEST, **values)
        assert "Typed" not in str(read(replace(facts, request=typed))["Subject"])


@pytest.mark.parametrize(
    "address", ["a@b.example\r\nBcc: c@d.example", "jürgen@example.edu", "a b@example.edu", "a@b, c@d", "none"]
)
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        read(NEEDED, replace(ENVELOPE, to=(address,)))


@pytest.mark.parametrize("outbox_id", ["", "a b", "a>\r\nBcc: x@y", "a@b", "é"])
def test_a_message_id_of_another_form_is_refused(outbox_id: str) -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        message_id(outbox_id, "countersign.example")
