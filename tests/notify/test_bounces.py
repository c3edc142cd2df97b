"""Bounces: what mail systems report (RFC 3464) is read, and whatever else comes is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.notify.bounces import Bounce, read, return_address

MAIL, TAG = "evt_01kdj4t8xqf5tb7rqk3mw2zn9c", "mfzwk3dfnvxw4zdb"
ADDRESS = return_address("bounces@countersign.example", MAIL, TAG)


def report(
    to: str = ADDRESS, action: str = "failed", status: str = "5.1.1", said: str = "550 5.1.1 no such user"
) -> bytes:
    """As Postfix writes it."""
    return f"""Return-Path: <>
Received: by mx.example.edu (Postfix)
Date: Tue, 17 Nov 2026 12:00:20 +0100
From: MAILER-DAEMON@mx.example.edu (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--B
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.edu
X-Postfix-Queue-ID: 4F0
Arrival-Date: Tue, 17 Nov 2026 12:00:10 +0100

Final-Recipient: rfc822; systems@example.edu
Original-Recipient: rfc822;systems@example.edu
Action: {action}
Status: {status}
Remote-MTA: dns; inner.example.edu
Diagnostic-Code: smtp; {said}

--B
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

Message-ID: <evt_1@countersign.example>

--B--
""".replace("\n", "\r\n").encode()


def test_a_mail_has_a_return_address_of_its_own_that_is_an_address() -> None:
    assert ADDRESS == "bounces+01kdj4t8xqf5tb7rqk3mw2zn9c-mfzwk3dfnvxw4zdb@countersign.example"
    assert len(return_address(f"{'b' * 20}@c.example", MAIL, TAG).partition("@")[0]) <= 64


@pytest.mark.parametrize(
    "status,permanent", [("5.1.1", True), ("5.7.509 (blocked)", True), ("4.4.7", False), ("", False), ("5", False)]
)
def test_a_report_is_read(status: str, permanent: bool) -> None:
    assert read(report(status=status)) == Bounce(MAIL, TAG, permanent, "550 5.1.1 no such user")


def test_a_mail_system_that_changes_the_case_of_addresses_is_understood() -> None:
    assert read(report(to=f"Somebody <{ADDRESS.upper()}>")) == read(report())


def test_bare_line_feeds_are_understood() -> None:
    assert read(report().replace(b"\r\n", b"\n")) == read(report())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"From: a@example.edu\r\nTo: " + ADDRESS.encode() + b"\r\nSubject: I am away\r\n\r\nBack on Monday.\r\n",
        report(action="delayed", status="4.4.1"),
        report(action="delivered", status="2.1.5"),
        report(to="bounces@countersign.example"),
        report(to="bounces+01kdj4t8xqf5tb7rqk3mw2zn9c@countersign.example"),
        report().replace(b"multipart/report", b"multipart/mixed"),
        report().replace(b"message/delivery-status", b"text/plain"),
        b"Content-Type: multipart/report; boundary=B\r\n\r\n" + b"--B\r\n" * 250_000,
        report() + b"x" * (5 << 20),
    ],
    ids=["empty", "away", "delayed", "delivered", "untagged", "no tag", "mixed", "text", "many parts", "huge"],
)
def test_whatever_else_comes_is_no_bounce(raw: bytes) -> None:
    assert read(raw) is None


def test_what_the_peer_says_stays_one_short_line_of_text() -> None:
    bounce = read(report(said="550 \x1b[31m\u202e<script>" + "x" * 900))
    assert bounce is not None
    assert len(bounce.reason) <= 200
    assert not set("\r\n\x1b\u202e") & set(bounce.reason)


@given(st.binary(max_size=2000), st.integers(0, 1200))
def test_no_bytes_break_it(noise: bytes, place: int) -> None:
    for raw in (noise, report()[:place] + noise + report()[place:]):
        found = read(raw)
        assert found is None or (found.mail.startswith("evt_") and "\n" not in found.reason)
