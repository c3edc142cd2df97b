"""Sign-in records of an environment, read from what it exports: the names of its columns, its times, its addresses.

Understood, by the names of the columns (capitals, spaces and underscores do not count): Alma Analytics' Security Events
(`Accessing User ID`, `User ID`, `User Accessing Operation`, `User Sub Entity List Name` and a date with a time), Alma's
staff login report (user, last login, IP address), and any table with the names of the API (`at`, `user_name`, `ip`,
`result`). A time without an offset is of the institution's zone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from app.domain.accounts import ACCOUNTS
from app.domain.reconciliation import SignIn
from app.domain.rows_of_text import Faults, Reader
from app.domain.times import parse_wire

MAX_SIGN_INS = 200_000
"""Sign-ins of vendor accounts in one file."""
MAX_RESULT = 200
_MAX_USERS = 4096
_UNSEEN = frozenset({"Cf", "Cc", "Cs", "Mn"})


class TooMany(ValueError):
    """The file tells of more sign-ins of vendor accounts than are taken at once."""


class Dates(StrEnum):
    """How a file writes its days where it does not write them as 2026-11-14."""

    ISO = "iso"
    DAY_FIRST = "dmy"
    MONTH_FIRST = "mdy"


_NAMES: Mapping[str, tuple[str, ...]] = {
    "user": (
        *("accessing user id", "user name", "username", "primary identifier", "user primary identifier"),
        *("user identifier", "user id", "account", "user"),
    ),
    "at": (
        *("at", "timestamp", "date and time", "event start date and time", "event date and time", "accessing date"),
        *("access date", "event date", "event time", "last login", "last login date", "login date", "date", "time"),
    ),
    "ip": ("ip", "ip address", "last login ip", "last login ip address", "login ip", "public ip address", "address"),
    "result": ("result", "user accessing operation", "status"),
    "part": ("user sub entity list name",),
}
"""What a column holds, by its names; of several columns for one thing, the one of the first name."""

_LOCAL = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,6}))?)?", re.ASCII)
_SLASHED = re.compile(
    r"(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4}),? +(\d{1,2}):(\d\d)(?::(\d\d))?(?: ?([AaPp])\.?[Mm]\.?)?", re.ASCII
)
_ZONED = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d))", re.ASCII)
_QUOTED = re.compile(r'="(.*)"', re.DOTALL)  # how spreadsheets are told that a value is text


def account_of(user_name: str) -> str | None:
    """The vendor account that a user's id or name means; null for any other user."""
    return _BY_NAME.get(_plain(user_name))


def _plain(name: str) -> str:
    # What is not seen, or not of the file's encoding, is no other name: who hides behind it is meant all the same.
    known = unicodedata.normalize("NFKC", name).replace("\ufffd", "")
    seen = "".join(char for char in known if char.isspace() or unicodedata.category(char) not in _UNSEEN)
    return " ".join(seen.split()).casefold()


_BY_NAME = {_plain(name): each.id for each in ACCOUNTS.values() for name in (each.id, *each.names)}


def readings(local: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    """The instants that a wall clock's time in a zone may be, rising: one, but two where the clock was changed.

    A time that is shown twice is either of both. One that is never shown is what it would be by the offset before, or
    by the one after the change: the clock that wrote it had been changed late, or early.
    """
    return tuple(sorted({local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}))


def instants(text: str, zone: tzinfo, dates: Dates = Dates.ISO) -> tuple[datetime, ...]:
    """The instants that a time as exports write it may be. Raises `ValueError`."""
    zoned = _ZONED.fullmatch(text)
    if zoned is not None or text[-1:] in "zZ" or re.search(r"[+-]\d\d:\d\d$", text):
        return (parse_wire(text if zoned is None else f"{zoned[1]}T{zoned[2]}"),)
    local = _LOCAL.fullmatch(text)
    if local is not None:
        year, month, day, hour, minute = (int(local[group]) for group in range(1, 6))
        micro = int((local[7] or "0").ljust(6, "0"))
        return readings(datetime(year, month, day, hour, minute, int(local[6] or 0), micro), zone)  # noqa: DTZ001 -- the zone comes next
    slashed = _SLASHED.fullmatch(text)
    if slashed is None or dates is Dates.ISO:
        raise ValueError("no time that is understood")
    first, second, year, hour, minute = (int(slashed[group]) for group in range(1, 6))
    day, month = (first, second) if dates is Dates.DAY_FIRST else (second, first)
    hour = hour if slashed[7] is None else _half_day(hour, slashed[7])
    return readings(datetime(year, month, day, hour, minute, int(slashed[6] or 0)), zone)  # noqa: DTZ001 -- likewise


def _half_day(hour: int, half: str) -> int:
    if not 1 <= hour <= 12:
        raise ValueError("no hour of half a day")
    return hour % 12 + (12 if half in "pP" else 0)


@lru_cache(4096)  # few sign in from many places
def address(text: str | None) -> str | None:
    """An IP address in its one form; null where there is none that can be read."""
    try:
        found = ip_address((text or "").strip())
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(found if mapped is None else mapped)


def result(text: str) -> str:
    """What the environment says of a sign-in, as one line that is safe to show."""
    text = text.strip()
    if text.isprintable():
        return text[:MAX_RESULT]
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return shown[:MAX_RESULT]


class SignInFile:
    """Feed it the pieces of a file; `sign_ins` then holds each of a vendor account once, and `faults` what is broken.

    Raises `Unreadable` where it is no such file, `TooMany`. `begins`, `ends`: a row of another time is a broken one.
    """

    def __init__(self, begins: datetime, ends: datetime, zone: tzinfo, dates: Dates = Dates.ISO) -> None:
        self.sign_ins: dict[bytes, SignIn] = {}
        self.rows = 0
        self.outside = 0
        self._period = begins, ends
        self._zone, self._dates = zone, dates
        self._place: dict[str, int] = {}
        self._accounts: dict[str, str | None] = {}
        self._reader = Reader(self._columns)

    @property
    def faults(self) -> Faults:
        """The rows that could not be used."""
        return self._reader.faults

    @property
    def unread(self) -> int:
        """How many of them may be a sign-in of the period: nobody can read whose, or when."""
        return self.faults.count - self.outside

    def feed(self, piece: bytes) -> None:
        """Read on. Raises `Unreadable`, `TooMany`."""
        self._take(self._reader.feed(piece))

    def finish(self) -> None:
        """The file is over. Raises `Unreadable`, `TooMany`."""
        self._take(self._reader.finish())

    def _columns(self, names: Sequence[str]) -> bool:
        named = [" ".join(re.split(r"[\W_]+", name.strip("\ufeff").casefold())).strip() for name in names]
        found = {
            held: next((named.index(name) for name in known if name in named), None) for held, known in _NAMES.items()
        }
        self._place = {held: place for held, place in found.items() if place is not None}
        return {"user", "at"} <= self._place.keys()

    def _take(self, rows: Iterable[tuple[int, list[str]]]) -> None:
        known, user = self._accounts, self._place.get("user")
        for line, row in rows:
            user = self._place["user"] if user is None else user
            self.rows += 1
            name = row[user] if user < len(row) else ""
            try:
                account = known[name]
            except KeyError:
                account = self._account(name)
            if account is not None:
                self._add(line, account, row)
            elif not name:
                self.faults.add(line, "it names no user")

    def _account(self, name: str) -> str | None:
        if len(self._accounts) >= _MAX_USERS:
            self._accounts.clear()
        return self._accounts.setdefault(name, account_of(_unquoted(name)))

    def _add(self, line: int, account: str, row: list[str]) -> None:
        at = self._field(row, "at")
        if at in {"", "-"}:
            return  # who has not signed in has no last sign-in
        try:
            read = instants(at, self._zone, self._dates)
        except (ValueError, OverflowError):
            self.faults.add(line, "its time cannot be read")
            return
        begins, ends = self._period
        if not any(begins <= each <= ends for each in read):
            self.outside += 1
            self.faults.add(line, "its time lies outside the period that is given")
            return
        said = ": ".join(filter(None, (self._field(row, "result"), self._field(row, "part"))))
        sign_in = SignIn(account, read, address(self._field(row, "ip")), result(said))
        if len(self.sign_ins) >= MAX_SIGN_INS:
            raise TooMany(f"more than {MAX_SIGN_INS} sign-ins of vendor accounts")
        self.sign_ins.setdefault(sign_in.key(), sign_in)

    def _field(self, row: list[str], held: str) -> str:
        place = self._place.get(held)
        return "" if place is None or place >= len(row) else _unquoted(row[place].strip())


def _unquoted(text: str) -> str:
    formula = _QUOTED.fullmatch(text.strip()) if "=" in text else None
    return text if formula is None else formula[1]
