"""What webhooks may be told of: types of events whose subject is an access request, and patterns over them.

A pattern is a type (`request.approved`), the types of one kind (`request.*`), or every type (`*`).
"""

from __future__ import annotations

from collections.abc import Iterable

TOLD = (
    "decision.made",
    "message.sent",
    "request.activated",
    "request.approved",
    "request.completed",
    "request.created",
    "request.denied",
    "request.disputed",
    "request.elapsed",
    "request.escalated",
    "request.expired",
    "request.reminded",
    "request.revoked",
    "request.withdrawn",
)
"""The types that are told; each of their events is in the trail first."""


def admits(patterns: Iterable[str], type_: str) -> bool:
    """Whether one of the patterns covers a type that is told."""
    return any(_covers(pattern, type_) for pattern in patterns)


def is_pattern(text: str) -> bool:
    """Whether the text covers at least one type that is told."""
    return any(_covers(text, type_) for type_ in TOLD)


def _covers(pattern: str, type_: str) -> bool:
    return pattern in {"*", type_, type_.partition(".")[0] + ".*"}
