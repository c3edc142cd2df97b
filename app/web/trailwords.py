"""What each type of entry means, in a few words, and the groups by which people look for them."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.events import CATALOGUE, Entry

WORDS: Mapping[str, str] = {
    "trail.opened": "The log begins",
    "institution.enrolled": "Enrolment code confirmed",
    "institution.changed": "Name, language, time zone or addresses changed",
    "vendor.changed": "Vendor’s domains or sign-in changed",
    "identity_provider.set": "Identity provider changed",
    "identity_provider.keys_seen": "Keys of the identity provider seen",
    "environment.set": "Environment changed",
    "environment.switched_to_support": "Environment switched to support",
    "policy.set": "Policy changed",
    "person.added": "Person added",
    "person.bound": "Person bound to their account",
    "person.roles_changed": "Roles of a person changed",
    "person.away_set": "Days away set",
    "person.removed": "Person removed",
    "roster.reviewed": "List of people reviewed",
    "change.proposed": "Change proposed",
    "change.rejected": "Change rejected, or lapsed",
    "stop_codes.made": "Stop codes made",
    "stop_code.used": "Stop code used, all access ended",
    "sign_in.succeeded": "Signed in",
    "sign_in.refused": "Sign-in refused",
    "sign_out.done": "Signed out",
    "request.created": "Access asked",
    "request.refused": "Request refused when it was made",
    "request.reminded": "Approvers reminded",
    "request.escalated": "Backup approvers told",
    "decision.made": "Answered",
    "decision.refused": "Answer refused",
    "request.approved": "Access given",
    "request.denied": "Request denied",
    "request.expired": "Request lapsed, no access",
    "request.activated": "Window began, the gate may open",
    "request.elapsed": "Window ended by itself",
    "request.withdrawn": "Request taken back by the vendor",
    "request.completed": "Work completed, access given back",
    "request.revoked": "Access taken back",
    "request.disputed": "Completion report disputed",
    "message.sent": "Question or answer sent",
    "standing_approval.given": "Standing approval given",
    "standing_approval.ended": "Standing approval ended",
    "token.issued": "Approval token issued",
    "token.refused": "Approval token refused",
    "token.revoked": "Approval token given back",
    "gate.refused": "Turned away at the gate",
    "session.opened": "Session opened",
    "session.segment_sealed": "Activity sealed",
    "session.part_added": "Part of a recording added",
    "session.ended": "Session ended",
    "session.terminated": "Session ended by the service",
    "session.lost": "Session silent",
    "session.resumed": "Session goes on",
    "scan.completed": "Accounts scanned",
    "sign_ins.reconciled": "Sign-in records compared",
    "finding.opened": "Finding opened",
    "finding.explained": "Finding explained",
    "finding.closed": "Finding closed",
    "mail.queued": "Mail sent",
    "mail.failed": "Mail could not be delivered",
    "webhook.set": "Webhook set",
    "webhook.removed": "Webhook removed",
    "trail.exported": "Trail exported",
    "private.erased": "Private parts erased",
    "evidence.erased": "Evidence erased",
    "evidence.read": "Evidence read",
    "recording.read": "Recording read",
    "log.observed": "Checkpoint of another log noted",
    "client.created": "API client made",
    "client.rotated": "API client given another secret",
    "client.revoked": "API client revoked",
    "client.refused": "API client refused",
    "key.added": "Key added",
    "key.retired": "Key retired",
    "operator.signed_in": "Operator signed in",
    "configuration.applied": "Configuration applied",
    "institution.registered": "Institution registered",
    "witness.set": "Witnesses set",
    "service.started": "Service started",
}

_SETTINGS = (
    "institution.",
    "vendor.",
    "identity_provider.",
    "environment.",
    "policy.",
    "person.",
    "roster.",
    "change.",
)
_BEGINS: Mapping[str, tuple[str, ...]] = {
    "requests": ("request.", "message.", "mail.", "token."),
    "answers": ("decision.", "standing_approval.", "request.approved", "request.denied", "request.revoked"),
    "sessions": ("session.", "gate.", "token."),
    "sign-ins": ("sign_in.", "sign_out.", "person.bound"),
    "settings": (*_SETTINGS, "stop_code", "webhook.", "client.", "key.", "witness.", "configuration."),
    "findings": ("finding.", "scan.", "sign_ins.", "request.disputed"),
    "reading": ("trail.exported", "evidence.read", "recording.read", "private.erased", "evidence.erased"),
}
GROUPS: Mapping[str, tuple[str, ...]] = {
    **{name: tuple(each for each in CATALOGUE if each.startswith(begins)) for name, begins in _BEGINS.items()},
    "refusals": tuple(each for each in CATALOGUE if each.endswith(".refused")),
}
"""What a filter calls a group → its types."""
LABELS: Mapping[str, str] = {
    "requests": "Requests and mails",
    "answers": "Answers",
    "sessions": "Sessions",
    "sign-ins": "Sign-ins",
    "refusals": "Refusals",
    "settings": "Settings",
    "findings": "Findings",
    "reading": "Reading, exports, erasures",
}


def said(entry: Entry) -> str:
    """What happened, in a few words."""
    data = entry.data
    match entry.type:
        case "decision.made":
            return "Approved, countersigned" if data["verdict"] == "approve" else "Denied"
        case "session.opened":
            return (
                f"Session opened, engineer {'proved at sign-in' if data['engineer_proved'] else 'stated by the vendor'}"
            )
        case "trail.exported":
            return f"Trail exported as {data['format']}"
        case "message.sent":
            return "Question asked" if data["from"] == "institution" else "Answered by the vendor"
        case "mail.queued" if data["to"]:
            return f"Mailed to {len(data['to'])} {'person' if len(data['to']) == 1 else 'people'}"
    count = f" ({data['count']} times in a minute)" if data.get("count", 1) != 1 and "problem" in data else ""
    problem = f": {data['problem']}" if "problem" in data else ""
    return f"{WORDS[entry.type]}{problem}{count}"
