"""Alma's lists while they change: nobody is passed over unseen, and what cannot be the whole list says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.identity.alma import AlmaError, AlmaUsers
from app.identity.http import Fetcher
from tests.fixtures.alma import KEY, Alma, run_alma, user

PEOPLE = [user(f"p{n:04}", "Anna", "Meier") for n in range(400)]
Change = Callable[[list[Any]], None]


async def no_rest(_: float) -> None:
    """Without waiting."""


async def listed(alma: Alma) -> tuple[list[str], int, bool]:
    """The ids in the order that they came, the least total told, and whether each page joined the one before."""
    ids, total, joined = list[str](), 0, True
    fetcher = Fetcher(allow_private=True, allow_http=True)
    async for page in AlmaUsers(fetcher, alma.base, KEY, rest=no_rest).pages():
        ids += [each["primary_id"] for each in page.users]
        total, joined = page.total, joined and page.joins
    return ids, total, joined


async def test_a_list_that_holds_still_is_read_once() -> None:
    for count in (0, 1, 2, 99, 100, 101, 105, 195, 400):
        async with run_alma(*PEOPLE[:count]) as alma:
            ids, total, joined = await listed(alma)
        assert (ids, total, joined) == ([each["primary_id"] for each in PEOPLE[:count]], count, True)


def gone(count: int) -> Change:
    def change(users: list[Any]) -> None:
        del users[:count]

    return change


def come(count: int) -> Change:
    def change(users: list[Any]) -> None:
        first = len(users)
        users += [user(f"a{first + n:05}", "New", "Comer") for n in range(count)]

    return change


@pytest.mark.parametrize("change", [gone(1), gone(30), come(1), come(30), come(80)])
async def test_nobody_is_passed_over_while_others_come_and_go_before_them(change: Change) -> None:
    async with run_alma(*PEOPLE) as alma:
        alma.meanwhile = change
        ids, total, joined = await listed(alma)
    assert joined
    assert len(ids) == len(set(ids))
    assert {f"p{n:04}" for n in range(100, 400)} <= set(ids)
    assert len(ids) >= total


async def test_somebody_who_moves_before_the_place_that_was_reached_is_missed_in_the_count() -> None:
    async with run_alma(*PEOPLE) as alma:

        def move(users: list[Any]) -> None:
            if users[-1]["primary_id"] == "p0399":
                users[-1] = user("a0", "Ex", "Libris")

        alma.meanwhile = move
        ids, total, _ = await listed(alma)
    assert "a0" not in ids
    assert len(ids) == total - 1


async def test_a_list_that_is_another_one_at_each_page_joins_nothing() -> None:
    async with run_alma(*PEOPLE) as alma:
        alma.meanwhile = lambda users: users.__setitem__(
            slice(None), [user(f"{len(alma.calls):03}-{n:04}", "A", "B") for n in range(400)]
        )
        _, _, joined = await listed(alma)
    assert not joined


async def test_the_same_page_again_and_again_comes_to_an_end_and_is_not_the_whole() -> None:
    async with run_alma() as alma:
        alma.says = lambda _: {"user": PEOPLE[:100], "total_record_count": 100 * len(alma.calls) + 900}
        ids, total, _ = await listed(alma)
    assert len(ids) == 100 < total
    assert len(alma.calls) < 10


@pytest.mark.parametrize(
    "said",
    [
        {"user": PEOPLE[:3], "total_record_count": 2},
        {"user": PEOPLE[:101], "total_record_count": 400},
        {"user": PEOPLE[:3], "total_record_count": "3"},
        {"user": PEOPLE[:3], "total_record_count": -1},
        {"user": PEOPLE[:3]},
        [],
    ],
)
async def test_a_page_that_contradicts_itself_is_none(said: Any) -> None:
    async with run_alma() as alma:
        alma.says = lambda _: said
        with pytest.raises(AlmaError, match="another form"):
            await listed(alma)


async def test_a_wait_that_is_longer_than_anybody_waits_is_an_answer() -> None:
    async with run_alma(*PEOPLE) as alma:
        alma.after, alma.faults = "99999", [429]
        with pytest.raises(AlmaError, match="asks to wait"):
            await listed(alma)
    assert len(alma.calls) == 1
