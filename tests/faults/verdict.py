"""Everything that is judged when a storm is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.trail.note import VerifierKey
from tests.faults import invariants
from tests.faults.storm import Storm
from tests.fixtures.smtp import SmtpSink


async def judged(storm: Storm, smtp_sink: SmtpSink) -> dict[str, Any]:
    """End the storm, and judge it; its figures. Raises `AssertionError` with what broke an invariant."""
    outcome = await storm.close()
    await storm.deliver_rest()
    trail, history, mails = outcome.trail, storm.history, smtp_sink.deliveries
    key = VerifierKey.parse(outcome.keys[0])
    figures = storm.figures() | {
        "I1 grants": invariants.grants_rest_on_approvals(trail, history),
        "acknowledged": invariants.acknowledged_is_recorded_once(trail, history),
        "lost": 0,  # or the line before had raised
        "I3 requests": invariants.one_end_each(trail, outcome.statuses),
        "I4 mails, repeated": invariants.mails_arrived(trail, mails),
        "I5 introspections": invariants.nothing_is_valid_outside(trail, history),
        "I6 checkpoints, receipts": invariants.checkpoints_only_grow(trail, history, mails, key),
        "I7 keys that broke off, had taken effect": invariants.keys_resolve(trail, history),
    }
    assert await storm.active_after(timedelta(hours=6)) == 0
    report = await storm.verify(outcome, [each.content for each in mails[:: max(1, len(mails) // 5)]])
    assert (report["exit_code"], report["anchored"], report["entries"]) == (0, True, len(trail.leaves)), report
    await storm.doctor()
    return figures
