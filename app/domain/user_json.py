"""Users as JSON: Alma's own (`{"user": […], "total_record_count": n}`), ours (`{"users": […]}`), or the list alone.

https://developers.exlibrisgroup.com/alma/apis/docs/xsd/rest_users.xsd/ (a user's members; codes as `{value, desc}`),
RFC 8259. The values are read one by one, so that of a list of any length one user is in memory.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from app.domain.accounts import ACCOUNTS
from app.domain.names import may_be_vendors
from app.domain.rows_of_text import Unreadable
from app.domain.scan import INACTIVE, TEXTS, User, is_patron
from app.domain.user_file import BOM, MAX_ROW, Seen, is_clean, made

_Step = Callable[[int], int | None]
_AGAIN: Final = 16 << 10
_NAMES: Final = TEXTS[:4]
_NOT_ORDINARY: Final = frozenset({"", *ACCOUNTS})
_UNREADABLE: Final = "unreadable role"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_JSON = json.JSONDecoder(parse_constant=_no_constant)
_SPACE: Final = " \t\r\n"
_LISTS: Final = frozenset({"user", "users"})


class JsonReader:
    """One object with a list `users` (ours) or `user` (Alma's), or that list alone. `members` are its other members."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.members: dict[str, Any] = {}
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._tried = 0
        self._item = 0
        self.had_list = False
        self._bare = False
        self._step: _Step = self._start

    def feed(self, piece: bytes) -> None:
        """The next piece."""
        try:
            self._text += self._decoder.decode(piece)
        except UnicodeDecodeError as error:
            raise Unreadable("it is not UTF-8") from error
        if len(self._text) - self._tried >= _AGAIN:
            self._go_on()

    def close(self) -> None:
        """The file has to end where its value ends."""
        self._go_on()
        if self._step != self._over:
            raise Unreadable("it is cut off" if self.had_list else "it has no list of users")

    def finish(self) -> None:
        """It has to be whole; where Alma says how many users there are, all have to be here."""
        self.close()
        if not self.had_list:
            raise Unreadable("it has no list of users")
        total = self.members.get("total_record_count")
        if isinstance(total, int) and total != self._item:
            raise Unreadable(f"it holds {self._item} of {total} users; one page is not the whole")

    def _go_on(self) -> None:
        """Read as far as the text goes."""
        place = self._skip(0)
        try:
            while place < len(self._text) and (after := self._step(place)) is not None:
                place = self._skip(after)
        except (ValueError, RecursionError) as error:
            if isinstance(error, Unreadable):
                raise
            raise Unreadable(f"what follows user {self._item} is not JSON") from error
        self._text = self._text[place:]
        self._tried = len(self._text)
        if self._tried > MAX_ROW:
            raise Unreadable(f"what follows user {self._item} is not JSON, or larger than a user is")

    def _skip(self, place: int) -> int:
        text, end = self._text, len(self._text)
        while place < end and text[place] in _SPACE:
            place += 1
        return place

    def _start(self, place: int) -> int:
        if self._text[place] == BOM:
            return place + 1
        if self._text[place] == "[":
            self._bare, self.had_list, self._step = True, True, self._first_item
        elif self._text[place] == "{":
            self._step = self._first_member
        else:
            raise Unreadable("it is no JSON")
        return place + 1

    def _first_member(self, place: int) -> int | None:
        if self._text[place] == "}":
            self._step = self._over
            return place + 1
        return self._member(place)

    def _member(self, place: int) -> int | None:
        """A name, and its value where that is not the list."""
        if self._text[place] != '"':
            raise Unreadable("it is no JSON object")
        found = self._value(place)
        if found is None:
            return None
        name, after = found
        after = self._skip(after)
        if after >= len(self._text):
            return None
        if self._text[after] != ":":
            raise Unreadable("it is no JSON object")
        after = self._skip(after + 1)
        if after >= len(self._text):
            return None
        if name in self.members or (name in _LISTS and self.had_list):
            raise Unreadable(f"it has {name!r} twice")
        if name in _LISTS and self._text[after] == "[":
            self.had_list, self._step = True, self._first_item
            return after + 1
        value = self._value(after)
        if value is None or value[1] >= len(self._text):  # a number may go on
            return None
        self.members[name] = value[0]
        self._step = self._after_member
        return value[1]

    def _after_member(self, place: int) -> int:
        return self._comma(place, "}", self._over, self._member)

    def _first_item(self, place: int) -> int | None:
        if self._text[place] == "]":
            self._step = self._over if self._bare else self._after_member
            return place + 1
        return self._items(place)

    def _items(self, place: int) -> int | None:
        """As many users as there are whole ones."""
        text, size = self._text, len(self._text)
        while (found := self._value(place)) is not None:
            value, after = found
            if after == size and not isinstance(value, dict | list | str):
                break  # a number may go on
            place = after
            self._item += 1
            self._user(value)
            place = self._skip(place)
            self._step = self._after_item
            if place >= size:
                return place
            place = self._after_item(place)
            if self._step != self._items:
                return place
            place = self._skip(place)
            if place >= size:
                return place
        # Nothing before this is read again.
        self._text = text[place:]
        return None if place == 0 else 0

    def _after_item(self, place: int) -> int:
        return self._comma(place, "]", self._over if self._bare else self._after_member, self._items)

    def _comma(self, place: int, closing: str, closed: Any, more: Any) -> int:
        char = self._text[place]
        if char not in {",", closing}:
            raise Unreadable(f"what follows user {self._item} is not JSON")
        self._step = more if char == "," else closed
        return place + 1

    def _over(self, place: int) -> int:
        raise Unreadable(f"something follows its end ({self._text[place]!r})")

    def _value(self, place: int) -> tuple[Any, int] | None:
        """The value that begins there and where it ends; null where it may not be whole yet."""
        try:
            return _JSON.raw_decode(self._text, place)
        except json.JSONDecodeError:
            return None

    def _user(self, value: Any) -> None:
        if is_ordinary(value):
            self.seen.users += 1
            return
        user = read_user(value)
        if user is None:
            self.seen.faults.add(self._item, "it is no user that has a primary_id and readable names")
            return
        self.seen.users += 1
        self.seen.take(user)


def is_ordinary(value: Any) -> bool:
    """Whether it is plainly a user who does not matter to a scan: nearly all are, and this is quick."""
    if not isinstance(value, dict):
        return False
    name, *names = map(value.get, _NAMES)
    if type(name) is not str or any(type(each) is not str and each is not None for each in names):
        return False
    first, last, full = names
    whole = f"{full or ''} {last or ''} {first or ''}"
    plain = whole.isascii() and whole.isprintable() and name.isascii() and name.isprintable()
    return plain and name.strip().lower() not in _NOT_ORDINARY and not may_be_vendors(whole)


def read_user(value: Any) -> User | None:
    """A user as Alma tells of one; null where it is none. Roles are those in force: `user_role`, or a list `roles`."""
    if not isinstance(value, dict):
        return None
    texts = [text for name in TEXTS if (text := _text(value.get(name))) is not None]
    if len(texts) != len(TEXTS) or not texts[0].strip() or not all(map(is_clean, texts)):
        return None
    roles = value.get("roles", value.get("user_role")) or []
    return made(texts, [_role(role) for role in roles] if isinstance(roles, list) else [_UNREADABLE])


def _role(role: Any) -> str:
    """A role's name; "" for one that is not in force."""
    if isinstance(role, str):
        return role.strip()
    if not isinstance(role, Mapping):
        return _UNREADABLE
    if (_text(role.get("status")) or "").strip().upper() == INACTIVE:
        return ""
    kind = role.get("role_type")
    named, of_type = (kind.get("desc"), kind.get("value")) if isinstance(kind, Mapping) else (kind, None)
    if not isinstance(named := named or of_type, str) or not named.strip() or not is_clean(named):
        return _UNREADABLE
    # A type of another number than the name's own is told too: a name is what somebody wrote beside it.
    return f"{named} ({of_type})" if is_patron(named) and of_type is not None and not is_patron(of_type) else named


def _text(value: Any) -> str | None:
    """A text, or the `value` of Alma's `{value, desc}`; "" for nothing, null for anything else."""
    if isinstance(value, dict):
        value = value.get("value", "")
    if value is None:
        return ""
    return value if isinstance(value, str) else None
