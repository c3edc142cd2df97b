"""Alma's Users API, as an institution's key may read it: every user, page by page, and one user with the roles.

https://developers.exlibrisgroup.com/alma/apis/docs/users/ (retrieve users; get user details; error codes),
https://developers.exlibrisgroup.com/alma/apis/#threshold (429: too many a second, or a day). Waits as long as Alma
asks, and tries again where it did not answer; a key that is refused is not tried again.

Alma numbers its users from the first one anew for each page, so a list shifts while it is read: who is deleted before
the place that was reached moves somebody past it unseen. Each page therefore begins with users of the page before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from app.domain.errors import CountersignError
from app.identity.errors import FetchError
from app.identity.http import Fetched, Fetcher
from app.identity.strict_json import strict_json

PAGE: Final = 100
OVERLAP: Final = 5
"""Users of the page before with which a page begins."""
BACK: Final = 5
"""Pages that are gone back to find them again."""
IDLE: Final = 3
"""Pages in a row without anybody new, after which nothing more is expected."""
MAX_USERS: Final = 10_000_000
TRIES: Final = 6
LONGEST_WAIT_S: Final = 120.0
"""Seconds for which a scan in the background waits where Alma asks for it; one that asks for more is over."""
_NO_SUCH_USER: Final = frozenset({"401861", "401890"})
_AGAIN: Final = frozenset({"timeout", "unreachable"})

Rest = Callable[[float], Awaitable[None]]
"""Seconds → after them."""


class AlmaError(CountersignError):
    """Alma cannot be read; the words say why, to whoever keeps the key."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some users as Alma tells of them in lists (without roles), the exact bytes, and how many there are in all.

    `joins`: whether nobody can stand between these and those of the page before.
    """

    users: list[Any]
    body: bytes
    total: int
    joins: bool = True


class AlmaUsers:
    """The users of one institution's Alma. `rest` waits, `longest` seconds at once; tests do not."""

    def __init__(
        self, fetcher: Fetcher, base: str, key: str, *, rest: Rest = asyncio.sleep, longest: float = LONGEST_WAIT_S
    ) -> None:
        self._fetcher, self._base, self._rest, self._longest = fetcher, base.rstrip("/"), rest, longest
        self._headers = {"Accept": "application/json", "Authorization": f"apikey {key}"}

    async def pages(self) -> AsyncIterator[Page]:
        """Every page, in order of the ids, each user once; `total` is the least that Alma told so far.

        Raises `AlmaError`.
        """
        place, idle, total = _Place(), 0, MAX_USERS
        while idle < IDLE:
            page, news = await self._next(place)
            total = min(total, page.total)
            yield Page(news, page.body, total, place.joins)
            idle = 0 if news else idle + 1
            if not page.users or place.at >= page.total:
                return

    async def _next(self, place: _Place) -> tuple[Page, list[Any]]:
        """The page at a place, and those of it who were not there before; goes back where the two do not join."""
        offset = at = place.offset
        ahead = page = await self._page(offset)
        for _ in range(BACK):
            if (news := place.join(at, page.users)) is not None:
                return page, news
            if at == 0:
                break
            at = max(0, at - (PAGE - OVERLAP))
            page = await self._page(at)
        return ahead, place.leap(offset, ahead.users)

    async def _page(self, offset: int) -> Page:
        if offset > MAX_USERS:
            raise AlmaError(f"Alma lists more than {MAX_USERS} users")
        place = f"/almaws/v1/users?limit={PAGE}&offset={offset}&order_by=primary_id&format=json"
        return _page(*_value(await self._get(place)))

    async def user(self, primary_id: str) -> Any | None:
        """A user whole, with the roles; null where there is none of this id. Raises `AlmaError`."""
        place = f"/almaws/v1/users/{quote(primary_id, safe='')}?user_id_type=all_unique&view=full&format=json"
        answer = await self._get(place)
        if answer.status in {400, 404}:
            return None
        return _value(answer)[0]

    async def _get(self, place: str) -> Fetched:
        """The answer to a question about users: theirs, or that there is no such user. Raises `AlmaError`."""
        last = "Alma did not answer"
        for attempt in range(TRIES):
            wait: float | None = None
            try:
                answer = await self._fetcher.get(f"{self._base}{place}", self._headers)
            except FetchError as error:
                if error.problem not in _AGAIN:
                    raise AlmaError(f"Alma cannot be read: {error.problem}") from None
                last = f"Alma did not answer: {error.problem}"
            else:
                if answer.status == 200 or (answer.status in {400, 404} and _says_no_such_user(answer)):
                    return answer
                if answer.status in {401, 403}:
                    raise AlmaError("Alma refuses the API key, or it may not read users")
                if answer.status != 429 and answer.status < 500:
                    raise AlmaError(f"Alma answered {answer.status}")
                wait, last = answer.wait_s, f"Alma answered {answer.status} again and again"
                if wait is not None and wait > self._longest:
                    raise AlmaError(f"Alma answered {answer.status} and asks to wait {wait:.0f} seconds")
            if attempt < TRIES - 1:
                await self._rest(2.0**attempt if wait is None else wait)
        raise AlmaError(last)


@dataclass(slots=True)
class _Place:
    """How far a list was read: `at` is the number of the first user not read, as the last page counted."""

    at: int = 0
    joins: bool = True
    _before: dict[str, None] = field(default_factory=dict)
    """The ids of the last page."""

    @property
    def offset(self) -> int:
        """Where the next page begins; of pages of a few users, only a part of the last one is read again."""
        return max(0, self.at - min(OVERLAP, len(self._before) // 2))

    def join(self, offset: int, users: list[Any]) -> list[Any] | None:
        """Those of a page who were not on the last one; null where the two do not hold a user in common."""
        known = [n for n, user in enumerate(users) if _id(user) in self._before]
        if not known and self._before:
            return None
        return self._took(offset, users, users[known[-1] + 1 :] if known else users, joins=True)

    def leap(self, offset: int, users: list[Any]) -> list[Any]:
        """All of a page that joins nothing."""
        return self._took(offset, users, users, joins=False)

    def _took(self, offset: int, users: list[Any], news: list[Any], *, joins: bool) -> list[Any]:
        self.at, self.joins = offset + len(users), joins
        if users:
            self._before = dict.fromkeys(filter(None, map(_id, users)))
        return news


def _id(user: Any) -> str | None:
    """What a listed user is known again by."""
    found = user.get("primary_id") if isinstance(user, dict) else None
    return found.strip().lower() if isinstance(found, str) else None


def _value(answer: Fetched) -> tuple[Any, bytes]:
    """The JSON of an answer. Raises `AlmaError`."""
    if answer.media_type != "application/json":
        raise AlmaError("Alma did not answer in JSON")
    try:
        return strict_json(answer.body), answer.body
    except ValueError:
        raise AlmaError("Alma did not answer in JSON") from None


def _page(value: Any, body: bytes) -> Page:
    match value:
        case {"total_record_count": int(total), "user": list(users)} if len(users) <= min(total, PAGE):
            return Page(users, body, total)
        case {"total_record_count": int(total)} if total >= 0 and "user" not in value:
            return Page([], body, total)
    raise AlmaError("Alma answered in another form than its description has")


def _says_no_such_user(answer: Fetched) -> bool:
    """Whether it is Alma's own word that there is no such user, and not that of something in between."""
    if answer.media_type != "application/json":
        return False
    try:
        value = strict_json(answer.body)
    except ValueError:
        return False
    errors = value.get("errorList", {}) if isinstance(value, dict) else {}
    listed = errors.get("error", []) if isinstance(errors, dict) else []
    return any(isinstance(each, dict) and each.get("errorCode") in _NO_SUCH_USER for each in listed)
