from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from app.notify.calendar import Window, calendar
from tests.notify.samples import UID, at

WINDOW = Window(
    uid=UID,
    at=at(11, 31),
    start=at(13),
    end=at(16),
    summary="Ex Libris access to Alma production (approved)",
    description="Account exl_impl, case 07345512.",
    url="https://countersign.example/r/7KQ4M2XDW9TE",
)


def unfolded(raw: bytes) -> dict[str, str]:
    """Name → value of every line, but the BEGINs and ENDs."""
    lines = raw.decode().replace("\r\n ", "").split("\r\n")[:-1]
    return dict(line.split(":", 1) for line in lines if not line.startswith(("BEGIN:", "END:")))


def unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)


def test_a_window_is_published_as_the_prototype_does() -> None:
    assert unfolded(calendar(WINDOW)) == {
        "VERSION": "2.0",
        "PRODID": "-//Countersign//EN",
        "METHOD": "PUBLISH",
        "UID": UID,
        "SEQUENCE": "0",
        "DTSTAMP": "20261117T113100Z",
        "DTSTART": "20261117T130000Z",
        "DTEND": "20261117T160000Z",
        "SUMMARY": "Ex Libris access to Alma production (approved)",
        "DESCRIPTION": r"Account exl_impl\, case 07345512.\n https://countersign.example/r/7KQ4M2XDW9TE",
        "URL": "https://countersign.example/r/7KQ4M2XDW9TE",
        "TRANSP": "TRANSPARENT",
        "STATUS": "CONFIRMED",
        "CLASS": "PRIVATE",
    }


def test_a_cancellation_has_the_same_uid_and_a_higher_sequence() -> None:
    before, after = unfolded(calendar(WINDOW)), unfolded(calendar(replace(WINDOW, sequence=1, cancelled=True)))
    assert after["UID"] == before["UID"]
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])
    assert (after["METHOD"], after["STATUS"]) == ("CANCEL", "CANCELLED")


def test_times_are_told_in_utc_whatever_their_zone() -> None:
    elsewhere = replace(WINDOW, start=at(13).astimezone(timezone(timedelta(hours=9))))
    assert calendar(elsewhere) == calendar(WINDOW)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_and_no_line_is_longer_than_75_octets(text: str) -> None:
    raw = calendar(replace(WINDOW, summary=text))
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    assert list(unfolded(raw)) == list(unfolded(calendar(WINDOW)))
    expected = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", re.sub(r"\r\n?", "\n", text))
    assert unescaped(unfolded(raw)["SUMMARY"]) == expected
