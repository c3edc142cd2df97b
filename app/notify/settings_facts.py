"""Facts of mails that are about an institution: its settings, what was found, or many requests together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

News = Literal["request", "reminder", "escalation", "implementation", "expired", "withdrawn"]


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """The institution whose settings, findings or requests a mail is about, and who reads it: an admin, an approver
    (`giver`), the person concerned, an address for notices; of findings an approver or admin (`keeper`), or the
    vendor's auditor.

    `link` leads to the change, to the page of what waits, to the finding, or to the sign-in; `at` is the instant of the
    mail's own event.
    """

    reader: Literal["admin", "giver", "person", "address", "keeper", "vendor_auditor"]
    at: datetime
    institution: str
    code: str
    locale: str
    time_zone: str
    link: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that changes: what it is called, before and after."""

    label: str
    now: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangeNotice:
    """Changes of the settings were proposed, took effect, were rejected or lapsed; of several only titles are told.

    `by` is the display name of whoever did it, null where time did; `loosens`: one of them has to be countersigned;
    `lapses_at` is when those that wait lapse; `follows`: earlier mails told of them; `words` is the reason given.
    """

    event: Literal["proposed", "applied", "rejected", "lapsed"]
    change: ChangeFacts
    titles: tuple[str, ...]
    turns: tuple[Turn, ...] = ()
    by: str | None = None
    loosens: bool = False
    lapses_at: datetime | None = None
    follows: bool = False
    words: str = ""

    @property
    def kind(self) -> str:
        """`settings-change`."""
        return "settings-change"


@dataclass(frozen=True, slots=True)
class ReviewDue:
    """The quarterly review of people is due: `people` are on the list, which was last gone through (or made) at `last`.

    `again_at` is when the next mail says so, if nobody has done it by then.
    """

    change: ChangeFacts
    people: int
    last: datetime
    again_at: datetime

    @property
    def kind(self) -> str:
        """`review-due`."""
        return "review-due"


@dataclass(frozen=True, slots=True)
class StandingOffered:
    """Somebody (`by`) gave a standing approval, and `more` have to give it too before it serves.

    `place` is what it is for (an environment's name, or null), `case_number` the other; `roles` empty means any.
    """

    change: ChangeFacts
    by: str
    more: int
    place: str | None
    case_number: str | None
    roles: tuple[str, ...]
    minutes: int
    uses: int
    not_after: datetime

    @property
    def kind(self) -> str:
        """`standing-offered`."""
        return "standing-offered"


@dataclass(frozen=True, slots=True)
class FindingNotice:
    """Findings were opened in one environment: sign-ins that match no session, or accounts that are not as intended.

    `items` say what was found, the first of `count`; `vendor` and `product` are names.
    """

    event: Literal["sign-in", "accounts"]
    change: ChangeFacts
    vendor: str
    product: str
    tier: Literal["production", "sandbox"]
    items: tuple[str, ...]
    count: int

    @property
    def kind(self) -> str:
        """`finding`."""
        return "finding"


@dataclass(frozen=True, slots=True)
class Item:
    """One request of a digest, and what a mail of its own would have told; `start` and `end` are the asked window, or
    the grant's where access was given.
    """

    news: News
    at: datetime
    product: str
    tier: Literal["production", "sandbox"]
    case_number: str
    number: str
    check_code: str
    decide_by: datetime
    start: datetime | None
    end: datetime | None
    minutes: int


@dataclass(frozen=True, slots=True)
class Digest:
    """What came within a few minutes, in one mail: the first of `count` notices."""

    change: ChangeFacts
    vendor: str
    items: tuple[Item, ...]
    count: int

    @property
    def kind(self) -> str:
        """`digest`."""
        return "digest"
