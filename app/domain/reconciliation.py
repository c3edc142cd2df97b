"""Sign-ins matched to sessions: each record of an environment to the session that it fits best, or to none.

A sign-in fits a session of its environment and account when it lies between the session's opening and its end, or
within `TOLERANCE` of that, the bounds included. Whoever signs in through a gateway may come to the environment from the
gateway's address; so the address is no condition of a match, but says how far to trust it:

| time | address | confidence |
|---|---|---|
| inside the session | the session's | high |
| inside | not known on one side | medium |
| inside | another | low |
| within the tolerance alone | the session's | medium |
| within the tolerance alone | not known, or another | low |
| a local time that may be either of two instants | any | low |

Of several sessions the one of the best line counts, and then the one that lasts longest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from hashlib import sha256
from itertools import repeat
from typing import NamedTuple

from app.domain.data import Value
from app.domain.finding import API_STAFF, UNMATCHED
from app.domain.times import stamp

TOLERANCE = timedelta(seconds=60)
IMPL = "exl_impl"
"""The one account whose sign-ins a session can cover."""
_KEY = 16


class Confidence(StrEnum):
    """How far a match is to be trusted."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class SignIn(Value):
    """A sign-in of a vendor account as an environment records it.

    `readings`: the instant, or the two that it may be, rising; `ip`: null where it is not known; `result`: what the
    environment says of it, which changes nothing: a sign-in that failed was tried.
    """

    account: str
    readings: tuple[datetime, ...]
    ip: str | None
    result: str

    def key(self) -> bytes:
        """16 bytes by which the same record is known again, wherever it comes from."""
        said = (self.account, *map(stamp, self.readings), self.ip or "", " ".join(self.result.casefold().split()))
        return sha256("\n".join(said).encode("utf-8", "replace")).digest()[:_KEY]


@dataclass(frozen=True, slots=True)
class Stay:
    """A session as far as sign-ins are matched to it; `ends` is the instant of judging where it is not over."""

    session: str
    request: str
    grant: str
    begins: datetime
    ends: datetime
    ip: str | None = None


class Match(NamedTuple):
    """The session that covers a sign-in, and how far to trust that."""

    stay: Stay
    confidence: Confidence


_RANKS = (Confidence.HIGH, Confidence.MEDIUM, Confidence.MEDIUM, Confidence.LOW, Confidence.LOW)
"""By the order in which a match is looked for; see the table."""


class _Reach:
    """Of the sessions begun so far, the one that lasts longest: of all, of one address, and of those without one.

    A session covers an instant exactly when one of those begun by then ends no earlier; so the longest tells.
    """

    __slots__ = ("by_ip", "longest")

    def __init__(self) -> None:
        self.longest: Stay | None = None
        self.by_ip: dict[str | None, Stay] = {}

    def add(self, stay: Stay) -> None:
        if self.longest is None or _lasts(stay, self.longest):
            self.longest = stay
        known = self.by_ip.get(stay.ip)
        if known is None or _lasts(stay, known):
            self.by_ip[stay.ip] = stay


def _lasts(stay: Stay, other: Stay) -> bool:
    return (stay.ends, other.session) > (other.ends, stay.session)


def kind_of(sign_in: SignIn) -> str:
    """The kind of finding that a sign-in is which no session covers."""
    return API_STAFF if sign_in.account == "exl_api" else UNMATCHED


def describe(sign_in: SignIn, environment: str, zone: tzinfo) -> str:
    """A sign-in that no session covers, for people, by the wall clock of a zone."""
    shown = " or ".join(each.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z") for each in sign_in.readings)
    utc = " or ".join(f"{each:%H:%M:%S}" for each in sign_in.readings)
    where = "an address that is not known" if sign_in.ip is None else sign_in.ip
    said = f" The environment says: {sign_in.result}" if sign_in.result else ""
    return f"{sign_in.account} in {environment}, {shown} ({utc} UTC), from {where}. No session was open.{said}"


def lasted(ended_at: datetime | None, not_after: datetime, now: datetime) -> datetime:
    """Until when a session can cover a sign-in: its end, or now where it is not over; never beyond its grant."""
    return min(now if ended_at is None else ended_at, not_after)


def match(sign_ins: Sequence[SignIn], stays: Iterable[Stay]) -> list[Match | None]:
    """For each sign-in its match, or null. One pass over both in their order: linear, but for the sorting.

    `stays`: the sessions of the sign-ins' environment, of `exl_impl`.
    """
    # Nothing is made for each sign-in but what is given back: many small objects cost more than their share to keep.
    ranks, covers = [len(_RANKS)] * len(sign_ins), list[Stay | None]([None]) * len(sign_ins)
    begun = sorted(stays, key=lambda stay: (stay.begins, stay.session))
    now, soon = _Reach(), _Reach()
    at_now = at_soon = 0
    for at, place in _probes(sign_ins):
        while at_soon < len(begun) and begun[at_soon].begins - TOLERANCE <= at:
            soon.add(begun[at_soon])
            at_soon += 1
        while at_now < at_soon and begun[at_now].begins <= at:
            now.add(begun[at_now])
            at_now += 1
        best, known = _best(at, sign_ins[place].ip, now, soon), covers[place]
        if best is not None and (known is None or _better(best, (ranks[place], known))):
            ranks[place], covers[place] = best
    made: dict[tuple[str, Confidence], Match] = {}
    return [
        None if stay is None else _match(made, rank, stay, sign_in)
        for rank, stay, sign_in in zip(ranks, covers, sign_ins, strict=True)
    ]


def _probes(sign_ins: Sequence[SignIn]) -> Iterator[tuple[datetime, int]]:
    """Each instant that is looked for, in order, and whose it is."""
    instants, places = list[datetime](), list[int]()
    for place, sign_in in enumerate(sign_ins):
        if sign_in.account == IMPL:
            instants.extend(sign_in.readings)
            places.extend(repeat(place, len(sign_in.readings)))
    for n in sorted(range(len(instants)), key=instants.__getitem__):
        yield instants[n], places[n]


def _best(at: datetime, ip: str | None, now: _Reach, soon: _Reach) -> tuple[int, Stay] | None:
    """The first line of the table, by its number, that a session begun by then fills by ending no earlier."""
    if soon.longest is None or soon.longest.ends < (late := at - TOLERANCE):
        return None  # as nearly all are that match none
    same = None if ip is None else now.by_ip.get(ip)
    if same is not None and same.ends >= at:
        return 0, same
    unknown = now.longest if ip is None else now.by_ip.get(None)
    if unknown is not None and unknown.ends >= at:
        return 1, unknown
    near = None if ip is None else soon.by_ip.get(ip)
    if near is not None and near.ends >= late:
        return 2, near
    if now.longest is not None and now.longest.ends >= at:
        return 3, now.longest
    return 4, soon.longest


def _better(found: tuple[int, Stay], known: tuple[int, Stay]) -> bool:
    return found[0] < known[0] if found[0] != known[0] else _lasts(found[1], known[1])


def _match(made: dict[tuple[str, Confidence], Match], rank: int, stay: Stay, sign_in: SignIn) -> Match:
    """One match for all sign-ins of a session that are as sure."""
    confidence = Confidence.LOW if len(sign_in.readings) > 1 else _RANKS[rank]
    known = made.get((stay.session, confidence))
    return made.setdefault((stay.session, confidence), Match(stay, confidence)) if known is None else known
