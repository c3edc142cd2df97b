"""Account scans: what is wrong with the users of an environment, by the table of accounts.

A scan keeps an extract of what it read: the vendor's accounts, and the users named like the vendor, as they were read,
with the hash of the whole. Everything it finds follows from that, so that whoever verifies judges it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from app.domain.accounts import ACCOUNTS
from app.domain.finding import API_STAFF, IMPL_CHANGED, SUPPORT_ACTIVE, UNINTENDED
from app.domain.names import is_vendors, may_be_vendors, same

VERSION: Final = "countersign/scan/1"
INACTIVE: Final = "INACTIVE"
PART: Final = 1 << 20
"""Bytes of users in one part of what is kept: with one user more it is still an evidence blob."""
_NO_STAFF: Final = frozenset({"patron", "200"})
"""The one role of Alma that lets nobody act as staff, by name and by type."""
_SHOWN: Final = 200
TEXTS: Final = ("primary_id", "first_name", "last_name", "full_name", "record_type", "account_type", "status")
"""The texts of a user, in the order of the contract's columns."""


class ScanError(ValueError):
    """What was kept of a scan is not of its form."""


@dataclass(frozen=True, slots=True)
class User:
    """A user as Alma tells of one. `roles` are those in force, by name; texts are "" where nothing was said."""

    primary_id: str
    first_name: str = ""
    last_name: str = ""
    full_name: str = ""
    record_type: str = ""
    account_type: str = ""
    status: str = ""
    roles: tuple[str, ...] = ()

    @property
    def account(self) -> str | None:
        """Which of the vendor's accounts it is, by its id, which Alma reads without case."""
        name = self.primary_id.strip().lower()
        return name if name in ACCOUNTS else None

    @property
    def name(self) -> str:
        """What it is called, for people."""
        return self.full_name or ", ".join(part for part in (self.last_name, self.first_name) if part)

    @property
    def is_active(self) -> bool:
        """Whether it may be used, as far as its status tells: what does not say that it may not, may."""
        return self.status.strip().upper() != INACTIVE


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something a scan found. `key` is what makes it the same thing in the next scan; `what` says it to people."""

    kind: str
    key: str
    what: str


def matters(user: User) -> bool:
    """Whether a scan keeps what it read of this user: a vendor account, or named like one."""
    if user.account is not None:
        return True
    names = f"{user.full_name} {user.last_name} {user.first_name}"
    return may_be_vendors(names) and is_vendors(user.full_name, user.last_name, user.first_name)


def judge_user(user: User) -> Wrong | None:
    """What is wrong with a user, if anything is."""
    key = user.primary_id.strip().lower()
    match user.account:
        case "exl_support":
            wrong = user.is_active or bool(user.roles)
            return Wrong(SUPPORT_ACTIVE, key, describe(user)) if wrong else None
        case "exl_api":
            staff = [role for role in user.roles if not is_patron(role)]
            return Wrong(API_STAFF, key, describe(user)) if staff else None
        case "exl_impl":
            known = any(same(user.name, name) for name in ACCOUNTS["exl_impl"].names)
            return None if known else Wrong(IMPL_CHANGED, key, describe(user))
    return Wrong(UNINTENDED, key, describe(user)) if matters(user) else None


def is_patron(role: object) -> bool:
    """Whether a role, by its name or by its type, is the one that lets nobody act as staff."""
    return isinstance(role, str) and role.strip().lower() in _NO_STAFF


def describe(user: User) -> str:
    """A user in one line: name, id, status, roles."""
    status = "inactive" if not user.is_active else "active" if user.status else "status not given"
    roles = f"{len(user.roles)} role{'' if len(user.roles) == 1 else 's'}" if user.roles else "no roles"
    return f"“{user.name[:_SHOWN] or 'no name'}” ({user.primary_id[:_SHOWN]}): {status}, {roles}"


@dataclass(frozen=True, slots=True)
class Extract:
    """What a scan keeps. `sha256` is of the whole input, `broken` the count of rows that could not be used."""

    environment: str
    source: str
    sha256: str
    users: int
    broken: int
    lines: tuple[int, ...]
    seen: tuple[User, ...]

    def wrong(self) -> list[Wrong]:
        """Everything wrong, each thing once. A row that could not be read may have been `exl_impl`."""
        found = [judge_user(user) for user in self.seen]
        if not self.broken and not any(user.account == "exl_impl" for user in self.seen):
            found.append(Wrong(IMPL_CHANGED, "exl_impl", "exl_impl is not among the users"))
        by_key = {(each.kind, each.key): each for each in found if each is not None}
        return list(by_key.values())

    def parts(self, limit: int = PART) -> list[dict[str, Any]]:
        """It as JSON values, each with users of about `limit` bytes; at least one."""
        header = {
            "v": VERSION,
            "environment": self.environment,
            "source": self.source,
            "sha256": self.sha256,
            "users": self.users,
            "broken": self.broken,
            "lines": list(self.lines),
        }
        pieces: list[list[dict[str, Any]]] = [[]]
        length = 0
        for plain in map(_plain, self.seen):
            size = len(json.dumps(plain, ensure_ascii=False).encode())
            if length and length + size > limit:
                pieces.append([])
                length = 0
            pieces[-1].append(plain)
            length += size
        return [header | {"part": n, "seen": piece} for n, piece in enumerate(pieces)]


def read_extracts(parts: Sequence[bytes]) -> Extract:
    """The extract of which these are the parts, in order. Raises `ScanError`."""
    read = [_read_part(part, n) for n, part in enumerate(parts)]
    if not read or any(header != read[0][0] for header, _ in read):
        raise ScanError("the parts are not of one scan")
    return Extract(**read[0][0], seen=tuple(user for _, users in read for user in users))


def _read_part(part: bytes, n: int) -> tuple[Mapping[str, Any], list[User]]:
    try:
        value = json.loads(part)
    except ValueError as error:
        raise ScanError("not JSON") from error
    match value:
        case {
            "v": version,
            "part": number,
            "environment": str(environment),
            "source": str(source),
            "sha256": str(sha256),
            "users": int(users),
            "broken": int(broken),
            "lines": list(lines),
            "seen": list(seen),
            **rest,
        } if (version, number, rest) == (VERSION, n, {}):
            header = {"environment": environment, "source": source, "sha256": sha256, "users": users, "broken": broken}
            return header | {"lines": tuple(lines)}, [_user(each) for each in seen]
    raise ScanError("another form")


def _plain(user: User) -> dict[str, Any]:
    return asdict(user) | {"roles": list(user.roles)}


def _user(value: Any) -> User:
    try:
        roles: Iterable[Any] = value["roles"]
        made = User(**{**value, "roles": tuple(roles)})
    except (KeyError, TypeError) as error:
        raise ScanError("a user of another form") from error
    texts = [*(getattr(made, name) for name in TEXTS), *made.roles]
    if not all(isinstance(text, str) for text in texts):
        raise ScanError("a user of another form")
    return made
