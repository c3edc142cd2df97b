"""The states of a request and the one table that leads from each to the next.

pending ──► approved ──► active ──► elapsed
│            │           ├─────► completed
│            └───────────┴─────► revoked
├──► denied, expired, withdrawn
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """The states of a request, as the wire names them."""

    PENDING = "pending"
    APPROVED = "approved"
    ACTIVE = "active"
    ELAPSED = "elapsed"
    COMPLETED = "completed"
    REVOKED = "revoked"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


TERMINAL = frozenset(
    {Status.ELAPSED, Status.COMPLETED, Status.REVOKED, Status.DENIED, Status.EXPIRED, Status.WITHDRAWN}
)

TRANSITIONS: Mapping[Status, Mapping[str, Status]] = MappingProxyType(
    {
        Status.PENDING: {
            "request.reminded": Status.PENDING,
            "request.escalated": Status.PENDING,
            "decision.made": Status.PENDING,
            "decision.refused": Status.PENDING,
            "message.sent": Status.PENDING,
            "token.refused": Status.PENDING,
            "request.approved": Status.APPROVED,
            "request.denied": Status.DENIED,
            "request.expired": Status.EXPIRED,
            "request.withdrawn": Status.WITHDRAWN,
        },
        Status.APPROVED: {
            "decision.refused": Status.APPROVED,
            "message.sent": Status.APPROVED,
            "token.refused": Status.APPROVED,
            "request.activated": Status.ACTIVE,
            "request.completed": Status.COMPLETED,
            "request.revoked": Status.REVOKED,
        },
        Status.ACTIVE: {
            "decision.refused": Status.ACTIVE,
            "message.sent": Status.ACTIVE,
            "token.issued": Status.ACTIVE,
            "token.refused": Status.ACTIVE,
            "token.revoked": Status.ACTIVE,
            "request.elapsed": Status.ELAPSED,
            "request.completed": Status.COMPLETED,
            "request.revoked": Status.REVOKED,
        },
        # Terminal: nothing leads out. What is still recorded are refusals, tokens taken back, and a dispute.
        Status.ELAPSED: {
            "decision.refused": Status.ELAPSED,
            "token.refused": Status.ELAPSED,
            "token.revoked": Status.ELAPSED,
        },
        Status.COMPLETED: {
            "decision.refused": Status.COMPLETED,
            "request.disputed": Status.COMPLETED,
            "token.refused": Status.COMPLETED,
            "token.revoked": Status.COMPLETED,
        },
        Status.REVOKED: {
            "decision.refused": Status.REVOKED,
            "token.refused": Status.REVOKED,
            "token.revoked": Status.REVOKED,
        },
        Status.DENIED: {"decision.refused": Status.DENIED, "token.refused": Status.DENIED},
        Status.EXPIRED: {"decision.refused": Status.EXPIRED, "token.refused": Status.EXPIRED},
        Status.WITHDRAWN: {"decision.refused": Status.WITHDRAWN, "token.refused": Status.WITHDRAWN},
    }
)
"""State × event → state. A pair that is absent is illegal."""

UNSEEN = frozenset(
    {
        "request.reminded",
        "request.escalated",
        "decision.refused",
        "token.issued",
        "token.refused",
        "token.revoked",
    }
)
"""Recorded, but no change of the request."""

SEEN = frozenset({"request.created", *(type_ for row in TRANSITIONS.values() for type_ in row)}) - UNSEEN
"""Recorded, and a change of the request that its followers are told of."""

TIMELESS = frozenset(
    {
        "request.expired",
        "request.activated",
        "request.elapsed",
        "request.reminded",
        "request.escalated",
        "request.disputed",
        "decision.refused",
        "token.refused",
        "token.revoked",
    }
)
"""What may be recorded while an event of the clock is due: those events themselves, and what relies on no state."""
