"""Key sets at an address that an operator gave: API clients' own (`jwks_uri`, RFC 7591).

Kept for at most ten minutes. A key that is not among them causes one fetch anew, then none for 30 seconds; nor is one
tried again for 30 seconds after it failed: whoever names the client could else make this service call out at will.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from app.domain.errors import Unavailable
from app.identity.errors import FetchError, IdTokenRefused
from app.identity.http import Fetcher
from app.identity.jws import Jwks

T = TypeVar("T")
KEPT_FOR = timedelta(minutes=10)
PAUSE = timedelta(seconds=30)


@dataclass(slots=True)
class _Kept:
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)
    keys: Jwks | None = None
    fetched_at: datetime | None = None
    tried_at: datetime | None = None


class KeySets:
    """The key sets of all addresses."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._kept: dict[str, _Kept] = {}

    async def open(self, uri: str, now: datetime, use: Callable[[Jwks], T]) -> T:
        """What `use` makes of the keys there; once more with newer ones where it knows no key.

        Raises what `use` raises, `IdTokenRefused` for what is no key set, `Unavailable` where none is to be had.
        """
        keys = await self._keys(uri, now, None)
        try:
            return use(keys)
        except IdTokenRefused as refused:
            if refused.problem != "id-token-key-unknown":
                raise
        return use(await self._keys(uri, now, keys))

    async def _keys(self, uri: str, now: datetime, seen: Jwks | None) -> Jwks:
        """Keys of the last ten minutes; others than those seen, if they may be asked for already."""
        kept = self._kept.setdefault(uri, _Kept())
        async with kept.fetching:
            keys = kept.keys if _within(kept.fetched_at, now, KEPT_FOR) else None
            if keys is not None and (keys is not seen or _within(kept.tried_at, now, PAUSE)):
                return keys
            if _within(kept.tried_at, now, PAUSE):
                raise Unavailable("the keys of the client could not be fetched a moment ago")
            return await self._fetch(kept, uri, now, pause=seen is not None)

    async def _fetch(self, kept: _Kept, uri: str, now: datetime, *, pause: bool) -> Jwks:
        """Fetch anew; `pause`: not again for a while even if it succeeds."""
        before, kept.tried_at = kept.tried_at, now
        try:
            data, _ = await self._fetcher.get_json(uri)
        except FetchError as error:
            raise Unavailable("the keys of the client cannot be fetched") from error
        kept.keys, kept.fetched_at = Jwks.read(data), now
        kept.tried_at = now if pause else before
        return kept.keys


def _within(at: datetime | None, now: datetime, span: timedelta) -> bool:
    return at is not None and timedelta() <= now - at < span
