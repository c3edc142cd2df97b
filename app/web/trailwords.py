"""What each type of entry means, in a few words, and the groups by which people look for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.events import CATALOGUE, Entry
from app.domain.languages import msg
from app.web.language import _, ngettext
from app.web.words import Spoken

WORDS: Mapping[str, str] = {
    "trail.opened": msg("The log begins"),
    "institution.enrolled": msg("Enrolment code confirmed"),
    "institution.changed": msg("Name, language, time zone or addresses changed"),
    "vendor.changed": msg("Vendor’s domains or sign-in changed"),
    "identity_provider.set": msg("Identity provider changed"),
    "identity_provider.keys_seen": msg("Keys of the identity provider seen"),
    "environment.set": msg("Environment changed"),
    "environment.switched_to_support": msg("Environment switched to support"),
    "policy.set": msg("Policy changed"),
    "person.added": msg("Person added"),
    "person.bound": msg("Person bound to their account"),
    "person.roles_changed": msg("Roles of a person changed"),
    "person.away_set": msg("Days away set"),
    "person.removed": msg("Person removed"),
    "roster.reviewed": msg("List of people reviewed"),
    "change.proposed": msg("Change proposed"),
    "change.rejected": msg("Change rejected, or lapsed"),
    "stop_codes.made": msg("Stop codes made"),
    "stop_code.used": msg("Stop code used, all access ended"),
    "sign_in.succeeded": msg("Signed in"),
    "sign_in.refused": msg("Sign-in refused"),
    "sign_out.done": msg("Signed out"),
    "request.created": msg("Access asked"),
    "request.refused": msg("Request refused when it was made"),
    "request.reminded": msg("Approvers reminded"),
    "request.escalated": msg("Backup approvers told"),
    "decision.made": msg("Answered"),
    "decision.refused": msg("Answer refused"),
    "request.approved": msg("Access given"),
    "request.denied": msg("Request denied"),
    "request.expired": msg("Request lapsed, no access"),
    "request.activated": msg("Window began, the gate may open"),
    "request.elapsed": msg("Window ended by itself"),
    "request.withdrawn": msg("Request taken back by the vendor"),
    "request.completed": msg("Work completed, access given back"),
    "request.revoked": msg("Access taken back"),
    "request.disputed": msg("Completion report disputed"),
    "message.sent": msg("Question or answer sent"),
    "standing_approval.given": msg("Standing approval given"),
    "standing_approval.ended": msg("Standing approval ended"),
    "token.issued": msg("Approval token issued"),
    "token.refused": msg("Approval token refused"),
    "token.revoked": msg("Approval token given back"),
    "gate.refused": msg("Turned away at the gate"),
    "session.opened": msg("Session opened"),
    "session.segment_sealed": msg("Activity sealed"),
    "session.part_added": msg("Part of a recording added"),
    "session.ended": msg("Session ended"),
    "session.terminated": msg("Session ended by the service"),
    "session.lost": msg("Session silent"),
    "session.resumed": msg("Session goes on"),
    "scan.completed": msg("Accounts scanned"),
    "sign_ins.reconciled": msg("Sign-in records compared"),
    "finding.opened": msg("Finding opened"),
    "finding.explained": msg("Finding explained"),
    "finding.closed": msg("Finding closed"),
    "mail.queued": msg("Mail sent"),
    "mail.failed": msg("Mail could not be delivered"),
    "webhook.set": msg("Webhook set"),
    "webhook.removed": msg("Webhook removed"),
    "trail.exported": msg("Trail exported"),
    "private.erased": msg("Private parts erased"),
    "evidence.erased": msg("Evidence erased"),
    "evidence.read": msg("Evidence read"),
    "recording.read": msg("Recording read"),
    "log.observed": msg("Checkpoint of another log noted"),
    "client.created": msg("API client made"),
    "client.rotated": msg("API client given another secret"),
    "client.revoked": msg("API client revoked"),
    "client.refused": msg("API client refused"),
    "key.added": msg("Key added"),
    "key.retired": msg("Key retired"),
    "operator.signed_in": msg("Operator signed in"),
    "configuration.applied": msg("Configuration applied"),
    "institution.registered": msg("Institution registered"),
    "witness.set": msg("Witnesses set"),
    "service.started": msg("Service started"),
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
LABELS: Mapping[str, str] = Spoken(
    {
        "requests": msg("Requests and mails"),
        "answers": msg("Answers"),
        "sessions": msg("Sessions"),
        "sign-ins": msg("Sign-ins"),
        "refusals": msg("Refusals"),
        "settings": msg("Settings"),
        "findings": msg("Findings"),
        "reading": msg("Reading, exports, erasures"),
    }
)


def said(entry: Entry) -> str:
    """What happened, in a few words."""
    data = entry.data
    match entry.type:
        case "decision.made":
            return _("Approved, countersigned") if data["verdict"] == "approve" else _("Denied")
        case "session.opened" if data["engineer_proved"]:
            return _("Session opened, engineer proved at sign-in")
        case "session.opened":
            return _("Session opened, engineer stated by the vendor")
        case "trail.exported":
            return _("Trail exported as %(format)s", format=data["format"])
        case "message.sent":
            return _("Question asked") if data["from"] == "institution" else _("Answered by the vendor")
        case "mail.queued" if data["to"]:
            return ngettext("Mailed to %(n)s person", "Mailed to %(n)s people", len(data["to"]))
    return _refused(_(WORDS[entry.type]), data) if "problem" in data else _(WORDS[entry.type])


def _refused(what: str, data: Mapping[str, Any]) -> str:
    problem, count = data["problem"], data.get("count", 1)
    if count == 1:
        return _("%(what)s: %(problem)s", what=what, problem=problem)
    return _("%(what)s: %(problem)s (%(count)s times in a minute)", what=what, problem=problem, count=count)
