"""What a mail is made of: facts that an action decided, never looked up here.

Strings may hold whatever people typed (rendering makes them safe), instants are aware, `link` is where the mail's one
link leads. Facts wait in the outbox as JSON (`to_data`, `from_data`) until the receipt that covers the mail exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from app.domain.times import parse_stamp, stamp
from app.notify.settings_facts import ChangeFacts, ChangeNotice, Digest, FindingNotice, ReviewDue, StandingOffered

Reader = Literal["approver", "backup_approver", "notice", "engineer"]
Ground = Literal["approval", "standing", "implementation"]
Result = Literal["approved", "denied", "expired", "withdrawn", "revoked", "completed", "disputed"]
Because = Literal["decision", "empty-intersection", "approver", "stop-code", "rules"]

SessionEnd = Literal["ended", "approver", "grant-over", "revoked", "completed", "not-recorded"]


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The access request a mail is about, and who reads the mail.

    `product` and `vendor` are names ("Alma", "Ex Libris"); `link` is `/r/{short}`, or for the engineer the case's URL;
    `start` and `end` are the asked window, both null where it begins with the approval; `roles` empty means all that
    the account has; `ground` decides the subject of the request's thread; `at` is the instant of the mail's own event.
    """

    reader: Reader
    at: datetime
    institution: str
    code: str
    locale: str
    time_zone: str
    vendor: str
    product: str
    tier: Literal["production", "sandbox"]
    account: str
    engineer: str
    engineer_id: str
    case_number: str
    case_title: str
    number: str
    check_code: str
    asked_at: datetime
    decide_by: datetime
    start: datetime | None
    end: datetime | None
    minutes: int
    roles: tuple[str, ...]
    ground: Ground
    link: str


@dataclass(frozen=True, slots=True)
class ApprovalNeeded:
    """A request waits for its approvers: the first mail, a reminder, or the escalation to backup approvers.

    `told` approvers were told; `given` of `required` approvals (for the window as asked) are there.
    """

    kind: Literal["request", "reminder", "escalation"]
    request: RequestFacts
    told: int
    required: int
    given: int
    provider_host: str
    next_reminder_at: datetime | None = None
    escalates_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request; to the engineer where the reader is one, else to the institution.

    `by` is the display name of whoever did it, null where rules or a stop code did; `start`, `end` and `roles` are the
    grant's where there was one; `ended_at` is when a grant was revoked or completed; `words` is the comment, reason or
    report that came with it; `calendar_uid` is the stable UID of the window's calendar entry.
    """

    request: RequestFacts
    result: Result
    by: str | None = None
    because: Because | None = None
    start: datetime | None = None
    end: datetime | None = None
    roles: tuple[str, ...] = ()
    ended_at: datetime | None = None
    words: str = ""
    calendar_uid: str | None = None

    @property
    def kind(self) -> str:
        """`outcome` or `outcome-vendor`."""
        return "outcome-vendor" if self.request.reader == "engineer" else "outcome"


@dataclass(frozen=True, slots=True)
class Remark:
    """One message of the conversation: from which side, by whom (display name), when, what."""

    side: Literal["institution", "vendor"]
    by: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """A new message on a request; `earlier` is the other side's message before it. `pending`: still to be decided."""

    request: RequestFacts
    pending: bool
    message: Remark
    earlier: Remark | None = None

    @property
    def kind(self) -> str:
        """`question` or `question-vendor`."""
        return "question-vendor" if self.request.reader == "engineer" else "question"


@dataclass(frozen=True, slots=True)
class ImplementationNotice:
    """Access was given on the ground `implementation`, from `start` to `end`; `calendar_uid` as of an outcome."""

    request: RequestFacts
    start: datetime
    end: datetime
    calendar_uid: str | None = None

    @property
    def kind(self) -> str:
        """`implementation`."""
        return "implementation"


@dataclass(frozen=True, slots=True)
class SessionNotice:
    """A session was opened, or is over. `until` is the end of its window, null where that is over too.

    `supplied_by` names the gateway's client, null at this service's own gate, where the engineer's sign-in was proved;
    `covered_s` of `open_s` seconds are recorded, with `gaps` between; `events` were reported; `words` is the summary.
    """

    event: Literal["opened", "ended"]
    request: RequestFacts
    opened_at: datetime
    until: datetime | None
    supplied_by: str | None
    ended_at: datetime | None = None
    because: SessionEnd | None = None
    open_s: int = 0
    covered_s: int = 0
    gaps: int = 0
    events: int = 0
    words: str = ""

    @property
    def kind(self) -> str:
        """`session-opened` or `session-ended`."""
        return f"session-{self.event}"


Settings = ChangeNotice | ReviewDue | StandingOffered | FindingNotice | Digest
Facts = ApprovalNeeded | Outcome | Conversation | ImplementationNotice | SessionNotice | Settings
_BY_NAME = {kind.__name__: kind for kind in get_args(Facts)}


def frame(facts: Facts) -> RequestFacts | ChangeFacts:
    """Whose mail it is: institution, language, zone, reader and link."""
    return facts.change if isinstance(facts, Settings) else facts.request


def to_data(facts: Facts) -> dict[str, Any]:
    """JSON values from which `from_data` makes equal facts; instants as the trail stamps them."""
    return {"facts": type(facts).__name__, **_plain(facts)}


def with_item(digest: Mapping[str, Any], item: object, most: int) -> dict[str, Any]:
    """The data of a digest with one notice more, which is counted, and listed while fewer than `most` are."""
    items = [*digest["items"], _plain(item)] if len(digest["items"]) < most else digest["items"]
    return {**digest, "items": items, "count": digest["count"] + 1}


def from_data(data: Mapping[str, Any]) -> Facts:
    """The facts that `to_data` wrote, also where it knew fewer names that may be left out.

    Raises `KeyError` for unknown facts and missing names, `ValueError` for bad instants.
    """
    facts: Facts = _made(_BY_NAME[data["facts"]], data)
    return facts


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return stamp(value)
        case tuple():
            return [_plain(item) for item in value]
        case str() | int() | None:
            return value
        case _:
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _made(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if kind is datetime:
        return parse_stamp(value)
    if get_origin(kind) is tuple:
        return tuple(_made(get_args(kind)[0], item) for item in value)
    if isinstance(value, Mapping):
        shape = next(option for option in (kind, *get_args(kind)) if hasattr(option, "__dataclass_fields__"))
        hints, optional = _shape_of(shape)
        told = [name for name in hints if name in value or name not in optional]
        return shape(**{name: _made(hints[name], value[name]) for name in told})
    inner = [option for option in get_args(kind) if option is datetime]
    return _made(inner[0], value) if inner else value


@cache
def _shape_of(shape: Any) -> tuple[Mapping[str, Any], frozenset[str]]:
    """The types of a dataclass's fields by name, and which may be left out."""
    return get_type_hints(shape), frozenset(each.name for each in fields(shape) if each.default is not MISSING)
