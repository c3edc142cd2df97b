"""An access request: what may be asked (`ask`), its life (`life`), how votes and grants are judged (`judge`), and what
can be done to it (`commands`).
"""

from app.domain.request.ask import Ask, Permit, judge_ask
from app.domain.request.commands import (
    complete,
    created_event,
    decide,
    due,
    implementation_grant,
    revoke,
    withdraw,
)
from app.domain.request.judge import (
    Outcome,
    approvals,
    judge_answer,
    judge_votes,
    may_mint,
    reassess,
)
from app.domain.request.life import AccessRequest, Grant, Vote, created, evolve, status_at, turns_at
from app.domain.request.states import SEEN, TERMINAL, TRANSITIONS, Status
from app.domain.terms import Terms

__all__ = [
    "SEEN",
    "TERMINAL",
    "TRANSITIONS",
    "AccessRequest",
    "Ask",
    "Grant",
    "Outcome",
    "Permit",
    "Status",
    "Terms",
    "Vote",
    "approvals",
    "complete",
    "created",
    "created_event",
    "decide",
    "due",
    "evolve",
    "implementation_grant",
    "judge_answer",
    "judge_ask",
    "judge_votes",
    "may_mint",
    "reassess",
    "revoke",
    "status_at",
    "turns_at",
    "withdraw",
]
