"""Alma's Users API, as an institution's key may read it: every user, page by page, and one user with the roles.

https://developers.exlibrisgroup.com/alma/apis/docs/users/ (retrieve users; get user details; error codes),
https://developers.exlibrisgroup.com/alma/apis/#threshold (429: too many a second, or a day). Waits as long as Alma
asks, and tries again where it did not answer; a key that is refused is not tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from app.domain.errors import CountersignError
from app.identity.errors import FetchError
from app.identity.http import Fetched, Fetcher
from app.identity.strict_json import strict_json

PAGE: Final = 100
TRIES: Final = 6
LONGEST_WAIT_S: Final = 600.0
_NO_SUCH_USER: Final = frozenset({"401861", "401890"})
_AGAIN: Final = frozenset({"timeout", "unreachable"})

Rest = Callable[[float], Awaitable[None]]
"""Seconds → after them."""


class AlmaError(CountersignError):
    """Alma cannot be read; the words say why, to whoever keeps the key."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some users as Alma tells of them in lists (without roles), the exact bytes, and how many there are in all."""

    users: list[Any]
    body: bytes
    total: int


class AlmaUsers:
    """The users of one institution's Alma. `rest` waits; tests do not."""

    def __init__(self, fetcher: Fetcher, base: str, key: str, *, rest: Rest = asyncio.sleep) -> None:
        self._fetcher, self._base, self._rest = fetcher, base.rstrip("/"), rest
        self._headers = {"Accept": "application/json", "Authorization": f"apikey {key}"}

    async def pages(self) -> AsyncIterator[Page]:
        """Every page, in order of the ids. Raises `AlmaError`."""
        offset = 0
        while True:
            place = f"/almaws/v1/users?limit={PAGE}&offset={offset}&order_by=primary_id&format=json"
            value, body = _value(await self._get(place))
            page = _page(value, body)
            yield page
            offset += len(page.users)
            if not page.users or offset >= page.total:
                return

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
            if attempt < TRIES - 1:
                await self._rest(min(LONGEST_WAIT_S, 2.0**attempt if wait is None else wait))
        raise AlmaError(last)


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
        case {"total_record_count": int(total), "user": list(users)} if total >= 0:
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
