"""Exports of sign-ins: Alma's own, a generic table, hostile ones; times of every form, addresses, names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import sign_in_rows
from app.domain.reconciliation import SignIn
from app.domain.rows_of_text import Unreadable
from app.domain.sign_in_rows import Dates, SignInFile, TooMany, account_of, address, instants, readings
from tests.domain.test_window import ZONES

VIENNA = ZoneInfo("Europe/Vienna")
BEGINS, ENDS = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


def read(data: bytes, size: int = 1 << 16, dates: Dates = Dates.ISO) -> SignInFile:
    file = SignInFile(BEGINS, ENDS, VIENNA, dates)
    for start in range(0, len(data), size):
        file.feed(data[start : start + size])
    file.finish()
    return file


def utc(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc] # year, month, day at least


SECURITY_EVENTS = (
    "Accessing User ID\tUser ID\tEvent Start Date and Time\tUser Accessing Operation\tUser Sub Entity List Name\n"
    "exl_impl\t8812\t2026-11-14 02:41:00\tViewed\tidentifiersList\n"
    "librarian\texl_impl\t2026-11-14 03:00:00\tViewed\taddressList\n"
    "exl_impl\t8812\t2026-11-14 02:41:00\tViewed\tidentifiersList\n"
)
STAFF_LOGIN = (
    "Staff Login Report\n\nPrimary Identifier,User Name,Last Login,IP Address\n"
    'exl_impl,"Staff, Ex Libris",14/11/2026 2:41:07 PM,203.0.113.90\n'
    'exl_api,"API, Ex Libris",-,\n'
    "librarian,Somebody,14/11/2026 09:00,198.51.100.4\n"
)
GENERIC = "at,user_name,ip,result\n2026-11-14T02:41:00+01:00,EXL_IMPL,203.0.113.90,Login OK\n"


def test_security_events_tell_who_accessed_not_who_was_looked_at() -> None:
    file = read(SECURITY_EVENTS.encode("utf-16"))
    assert list(file.sign_ins.values()) == [
        SignIn("exl_impl", (utc(2026, 11, 14, 1, 41),), None, "Viewed: identifiersList")
    ]
    assert (file.rows, file.faults.count) == (3, 0)


def test_the_staff_login_report_tells_the_last_sign_in_and_its_address() -> None:
    file = read(STAFF_LOGIN.encode(), dates=Dates.DAY_FIRST)
    assert list(file.sign_ins.values()) == [SignIn("exl_impl", (utc(2026, 11, 14, 13, 41, 7),), "203.0.113.90", "")]
    assert file.faults.count == 0


def test_a_table_with_the_names_of_the_api_is_read_as_it_is() -> None:
    assert list(read(GENERIC.encode()).sign_ins.values()) == [
        SignIn("exl_impl", (utc(2026, 11, 14, 1, 41),), "203.0.113.90", "Login OK")
    ]


def test_rows_that_cannot_be_used_are_told_and_the_rest_is_used() -> None:
    data = (
        b"at,user_name,ip,result\n"
        b"yesterday,exl_impl,,\n"
        b"14/11/2026 02:41,exl_impl,,\n"
        b"2026-10-01T00:00:00Z,exl_impl,,\n"
        b"2026-11-14T00:00:00Z,,,\n"
        b"yesterday,somebody else,,\n"
        b"2026-11-14T00:00:00Z,exl_impl,not an address,\n"
    )
    file = read(data)
    assert [(each.line, each.why) for each in file.faults.told] == [
        (2, "its time cannot be read"),
        (3, "its time cannot be read"),
        (4, "its time lies outside the period that is given"),
        (5, "it names no user"),
    ]
    assert [each.ip for each in file.sign_ins.values()] == [None]
    assert (file.faults.count, file.unread) == (4, 3)  # the time of one is known


@pytest.mark.parametrize(
    "name",
    [
        "exl_impl",
        "EXL_IMPL",
        " exl_impl ",
        "exl\u200b_impl",
        "Staff, Ex Libris",
        '="exl_impl"',
        "ｅｘｌ＿ｉｍｐｌ",
        "exl\x00_impl",
        "exl\ufffd_impl",
    ],
)
def test_the_account_is_known_however_its_name_is_written(name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    assert len(read(f"at,user_name\n2026-11-14T02:41:00Z,{quoted}\n".encode()).sign_ins) == 1


@pytest.mark.parametrize("name", ["exl_impl2", "alexander librist", "", "exl impl", "=exl_impl", "Ex Libris"])
def test_other_names_are_other_users(name: str) -> None:
    assert account_of(name) is None


def test_hostile_text_stays_one_line_of_text() -> None:
    nasty = "<script>\u202e=cmd|' /C calc'!A0\x00\x1b[31m" + "x" * 500
    data = f'at,user_name,result\n2026-11-14T02:41:00Z,exl_impl,"{nasty}"\n'.encode()
    (found,) = read(data).sign_ins.values()
    assert found.result.isprintable()
    assert len(found.result) == 200
    (spoilt,) = read(
        "at,user_name,result\n2026-11-14T02:41:00Z,exl_impl,Zugriff über".encode("latin-1")
    ).sign_ins.values()
    assert spoilt.result == "Zugriff \N{REPLACEMENT CHARACTER}ber"


TIMES = {
    "2026-11-14T02:41:00Z": utc(2026, 11, 14, 2, 41),
    "2026-11-14t02:41:00.25z": utc(2026, 11, 14, 2, 41, 0, 250_000),
    "2026-11-14 02:41:00+01:00": utc(2026, 11, 14, 1, 41),
    "2026-11-14 02:41:00": utc(2026, 11, 14, 1, 41),
    "2026-11-14 02:41": utc(2026, 11, 14, 1, 41),
    "2026-11-14 2:41:00,5": utc(2026, 11, 14, 1, 41, 0, 500_000),
}


@pytest.mark.parametrize("text", TIMES)
def test_times_with_and_without_an_offset_are_read(text: str) -> None:
    assert instants(text, VIENNA) == (TIMES[text],)


@pytest.mark.parametrize(
    "text,day_first,month_first",
    [
        ("03/11/2026 14:05:00", utc(2026, 11, 3, 13, 5), utc(2026, 3, 11, 13, 5)),
        ("3.11.2026 2:05 PM", utc(2026, 11, 3, 13, 5), utc(2026, 3, 11, 13, 5)),
        ("3-11-2026, 12:05 a.m.", utc(2026, 11, 2, 23, 5), utc(2026, 3, 10, 23, 5)),
    ],
)
def test_which_of_two_numbers_is_the_day_is_said_never_guessed(
    text: str, day_first: datetime, month_first: datetime
) -> None:
    assert instants(text, VIENNA, Dates.DAY_FIRST) == (day_first,)
    assert instants(text, VIENNA, Dates.MONTH_FIRST) == (month_first,)
    with pytest.raises(ValueError, match="no time"):
        instants(text, VIENNA)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-14",
        "2026-02-30 10:00",
        "2026-11-14 24:00",
        "14/11/2026 13:00 PM",
        "0001-01-01 00:00",
        "१४/११/२०२६ १०:००",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        instants(text, ZoneInfo("Asia/Tokyo"), Dates.DAY_FIRST)


def test_a_time_shown_twice_is_either_and_one_never_shown_is_what_a_late_or_early_clock_meant() -> None:
    twice = readings(datetime(2026, 10, 25, 2, 30), VIENNA)  # noqa: DTZ001 -- a wall clock's
    never = readings(datetime(2026, 3, 29, 2, 30), VIENNA)  # noqa: DTZ001 -- likewise
    assert twice == (utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30))
    assert never == (utc(2026, 3, 29, 0, 30), utc(2026, 3, 29, 1, 30))


@given(st.sampled_from(ZONES), st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)))  # noqa: DTZ001 -- made aware
def test_the_true_instant_is_always_among_the_readings_of_what_a_clock_showed(zone: str, naive: datetime) -> None:
    true, place = naive.replace(tzinfo=UTC), ZoneInfo(zone)
    found = readings(true.astimezone(place).replace(tzinfo=None, fold=0), place)
    assert true in found
    assert len(found) <= 2
    assert found[-1] - found[0] <= timedelta(hours=1)


@pytest.mark.parametrize(
    "text,form",
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9 ", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("203.0.113.009", None),
        ("localhost", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_has_one_form(text: str | None, form: str | None) -> None:
    assert address(text) == form


@given(st.binary(max_size=200), st.integers(1, 64))
def test_no_file_does_more_than_be_unreadable(noise: bytes, size: int) -> None:
    for data in (noise, GENERIC.encode() + noise, SECURITY_EVENTS.encode("utf-16") + noise):
        try:
            read(data, size)
        except Unreadable:
            assert data is noise


def test_more_sign_ins_than_are_taken_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_rows, "MAX_SIGN_INS", 3)
    rows = "".join(f"2026-11-14T02:41:0{n}Z,exl_impl\n" for n in range(4))
    with pytest.raises(TooMany):
        read(f"at,user_name\n{rows}".encode())
