"""Sign-ins against sessions: the one pass against the naive definition, and every second around edges and changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.reconciliation import TOLERANCE, Confidence, Match, SignIn, Stay, match
from app.domain.sign_in_rows import readings
from tests.domain.test_window import CHANGES

START = datetime(2026, 10, 25, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ADDRESSES = [None, "203.0.113.9", "203.0.113.10", "2001:db8::1"]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def sign_in(*instants: datetime, ip: str | None = None, account: str = "exl_impl") -> SignIn:
    return SignIn(account, instants, ip, "success")


def stay(name: str, begins: datetime, ends: datetime, ip: str | None = None) -> Stay:
    return Stay(f"ses_{name}", f"req_{name}", f"grt_{name}", begins, ends, ip)


def naive(record: SignIn, stays: Sequence[Stay]) -> Match | None:
    """Every reading against every session, by the table of the module."""
    found = []
    for instant in record.readings if record.account == "exl_impl" else ():
        for each in stays:
            inside = each.begins <= instant <= each.ends
            if not each.begins - TOLERANCE <= instant <= each.ends + TOLERANCE:
                continue
            same = record.ip is not None and record.ip == each.ip
            known = record.ip is not None and each.ip is not None
            line = (0 if same else 3 if known else 1) if inside else 2 if same else 4
            found.append((line, -each.ends.timestamp(), each.session, each))
    if not found:
        return None
    line, _, _, best = min(found, key=lambda each: each[:3])
    sure = (Confidence.HIGH, Confidence.MEDIUM, Confidence.MEDIUM, Confidence.LOW, Confidence.LOW)[line]
    return Match(best, Confidence.LOW if len(record.readings) > 1 else sure)


moments = st.integers(0, 3_600)
records = st.builds(
    lambda first, second, ip, account: sign_in(*sorted({at(first), at(second)}), ip=ip, account=account),
    moments,
    moments,
    st.sampled_from(ADDRESSES),
    st.sampled_from(["exl_impl", "exl_impl", "exl_impl", "exl_support", "exl_api"]),
) | st.builds(lambda moment, ip: sign_in(at(moment), ip=ip), moments, st.sampled_from(ADDRESSES))
sessions = st.lists(st.tuples(moments, st.integers(0, 900), st.sampled_from(ADDRESSES)), max_size=12).map(
    lambda drawn: [stay(str(n), at(begins), at(begins + length), ip) for n, (begins, length, ip) in enumerate(drawn)]
)


@given(st.lists(records, max_size=30), sessions)
def test_one_pass_finds_what_the_naive_definition_finds(given: list[SignIn], stays: list[Stay]) -> None:
    assert match(given, stays) == [naive(each, stays) for each in given]


@given(st.lists(records, max_size=20), sessions, st.randoms(use_true_random=False))
def test_the_order_in_which_they_come_changes_nothing(given: list[SignIn], stays: list[Stay], order: Random) -> None:
    shuffled, others = list(range(len(given))), list(stays)
    order.shuffle(shuffled)
    order.shuffle(others)
    found = match([given[place] for place in shuffled], others)
    assert {place: found[n] for n, place in enumerate(shuffled)} == dict(enumerate(match(given, stays)))


def test_a_match_ends_exactly_sixty_seconds_beyond_either_edge() -> None:
    window = stay("a", at(1_000), at(2_000))
    for micro in (-1, 0, 1):
        shift = timedelta(microseconds=micro)
        early, late = sign_in(at(940) + shift), sign_in(at(2_060) + shift)
        assert [found is None for found in match([early, late], [window])] == [micro < 0, micro > 0]


@pytest.mark.parametrize(
    "moment,ip,session_ip,confidence",
    [
        (1_500, "203.0.113.9", "203.0.113.9", Confidence.HIGH),
        (1_500, None, "203.0.113.9", Confidence.MEDIUM),
        (1_500, "203.0.113.9", None, Confidence.MEDIUM),
        (1_500, "203.0.113.10", "203.0.113.9", Confidence.LOW),
        (2_001, "203.0.113.9", "203.0.113.9", Confidence.MEDIUM),
        (2_001, None, None, Confidence.LOW),
        (999, "203.0.113.10", "203.0.113.9", Confidence.LOW),
    ],
)
def test_time_and_address_say_how_far_a_match_is_to_be_trusted(
    moment: int, ip: str | None, session_ip: str | None, confidence: Confidence
) -> None:
    window = stay("a", at(1_000), at(2_000), session_ip)
    assert match([sign_in(at(moment), ip=ip)], [window]) == [Match(window, confidence)]


def test_no_session_covers_an_account_that_may_never_sign_in() -> None:
    window = stay("a", at(1_000), at(2_000))
    assert match([sign_in(at(1_500), account=name) for name in ("exl_support", "exl_api")], [window]) == [None, None]


def outside(stays: Sequence[Stay], instants: Sequence[datetime]) -> list[int]:
    return [n for n, found in enumerate(match([sign_in(each) for each in instants], stays)) if found is None]


@pytest.mark.parametrize("zone", sorted(CHANGES))
def test_of_a_thousand_sign_ins_exactly_the_ten_outside_any_window_are_found_at_every_offset(zone: str) -> None:
    """A window each 20 minutes around the change; ten sign-ins moved through every second around all their edges."""
    change, chance = CHANGES[zone], Random(zone)
    stays = [
        stay(f"{n:02}", change + timedelta(minutes=20 * n), change + timedelta(minutes=20 * n + 10))
        for n in range(-12, 12)
    ]
    inside = [each.begins + timedelta(seconds=chance.randrange(601)) for each in chance.choices(stays, k=990)]
    assert not outside(stays, inside)
    for offset in range(-90, 91):
        edges = [stays[n].begins for n in range(2, 12)] if offset < 0 else [stays[n].ends for n in range(2, 12)]
        moved = [edge + offset * SECOND for edge in edges]
        others = inside if abs(offset) in {60, 61} else []
        found = [n - len(others) for n in outside(stays, [*others, *moved])]
        assert found == (list(range(10)) if abs(offset) > 60 else []), offset


@pytest.mark.parametrize("zone", sorted(CHANGES))
def test_local_times_around_a_change_of_the_clock_are_outside_only_where_neither_reading_is_inside(zone: str) -> None:
    """Each second of wall time from three hours before to three after the change, read as an export writes it."""
    change, place = CHANGES[zone], ZoneInfo(zone)
    window = stay("a", change - timedelta(minutes=7), change + timedelta(minutes=9))
    wall = (change - timedelta(hours=3)).astimezone(place).replace(tzinfo=None)
    given, wanted, doubtful = [], [], set()
    for n in range(0, 6 * 3_600, 7):
        read = readings(wall + n * SECOND, place)
        given.append(sign_in(*read))
        wanted.append(any(window.begins - TOLERANCE <= each <= window.ends + TOLERANCE for each in read))
        if len(read) == 2:
            doubtful.add(n // 7)
    found = match(given, [window])
    assert [each is not None for each in found] == wanted
    assert all(found[n] is None or found[n].confidence == Confidence.LOW for n in doubtful)  # type: ignore[union-attr] # which it is not
    assert len(doubtful) in {30 * 60 // 7 + extra for extra in (0, 1)} | {3_600 // 7 + extra for extra in (0, 1)}


@given(
    st.sampled_from(sorted(CHANGES)),
    st.integers(-6 * 3_600, 6 * 3_600),
    st.integers(-6 * 3_600, 6 * 3_600),
    st.integers(1, 7_200),
)
def test_a_sign_in_written_in_local_time_is_never_missed_by_its_own_session(
    zone: str, begins: int, moment: int, length: int
) -> None:
    change, place = CHANGES[zone], ZoneInfo(zone)
    window = stay("a", change + begins * SECOND, change + (begins + length) * SECOND)
    true = min(max(change + moment * SECOND, window.begins), window.ends)
    written = true.astimezone(place).replace(tzinfo=None, fold=0)
    assert match([sign_in(*readings(written, place))], [window])[0] is not None


def test_a_record_is_known_again_by_what_it_says_alone() -> None:
    record = SignIn("exl_impl", (at(1),), "203.0.113.9", "Login OK")
    assert record.key() == SignIn("exl_impl", (at(1),), "203.0.113.9", " login  ok").key()
    others = [
        SignIn("exl_api", (at(1),), "203.0.113.9", "Login OK"),
        SignIn("exl_impl", (at(2),), "203.0.113.9", "Login OK"),
        SignIn("exl_impl", (at(1), at(2)), "203.0.113.9", "Login OK"),
        SignIn("exl_impl", (at(1),), None, "Login OK"),
        SignIn("exl_impl", (at(1),), "203.0.113.9", "refused"),
    ]
    assert len({record.key(), *(each.key() for each in others)}) == 6
