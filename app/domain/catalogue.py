"""The catalogue as data: every type with its subject, actors, data fields and private fields (`events.md`).

Closed and versioned: what is not here does not exist. Each line reads type, subject (`code` or an id's prefix), actor
kinds, `name:kind` of data, `name:kind` of the private part; `VENDOR` marks what stands in the vendor's log alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

VERSION = 1


@dataclass(frozen=True, slots=True)
class Spec:
    """One row: `subject` is `code` or a prefix; `data` and `private` map names to kinds; `vendor`: that log alone."""

    subject: str
    actors: frozenset[str]
    data: Mapping[str, str]
    private: Mapping[str, str]
    vendor: bool = False


def _fields(text: str) -> Mapping[str, str]:
    pairs = (field.split(":", 1) for field in text.split())
    return MappingProxyType(dict(pairs))


def _spec(subject: str, actors: str, data: str = "", private: str = "") -> Spec:
    return Spec(subject, frozenset(actors.split()), _fields(data), _fields(private))


def _vendor(subject: str, actors: str, data: str = "", private: str = "") -> Spec:
    return Spec(subject, frozenset(actors.split()), _fields(data), _fields(private), vendor=True)


_OVER = "open_s:int covered_s:int"
_ERASED = "because:enum:retention|person|order {}:[{}] change:id:chg? evidence:[sha]"

CATALOGUE: Mapping[str, Spec] = MappingProxyType(
    {
        "trail.opened": _spec(
            "code",
            "operator",
            "origin:str locale:str time_zone:str vendor_domains:[str] vendor_issuers:[str] identity_provider:provider "
            "environments:[environment] people:[person] policy:policy continues:continues?",
            "name:str emails:str salts:str notify:str",
        ),
        "institution.enrolled": _spec("code", "person", "enrolment_code:str evidence:[sha]"),
        "institution.changed": _spec(
            "code",
            "person operator",
            "change:id:chg? locale:str time_zone:str evidence:[sha]",
            "name:str notify:str",
        ),
        "vendor.changed": _spec("code", "operator", "vendor_domains:[str] vendor_issuers:[str]"),
        "identity_provider.set": _spec("code", "person", "change:id:chg identity_provider:provider evidence:[sha]"),
        "identity_provider.keys_seen": _spec("code", "system", "issuer:str thumbprints:[str] evidence:[sha]"),
        "environment.set": _spec("code", "person", "change:id:chg environment:environment evidence:[sha]"),
        "environment.switched_to_support": _spec("code", "person client", "environment:str"),
        "policy.set": _spec("code", "person", "change:id:chg? policy:policy evidence:[sha]"),
        "person.added": _spec(
            "per",
            "person system",
            "change:id:chg? roles:[str] products:[str] email_domain:str email_digest:sha evidence:[sha]",
            "email:str name:str email_salt:str",
        ),
        "person.bound": _spec(
            "per",
            "system person",
            "iss:str sub_digest:sha confirmed_by:id:per? evidence:[sha]",
            "sub:str sub_salt:str",
        ),
        "person.roles_changed": _spec(
            "per",
            "person system",
            "change:id:chg? roles:[str] products:[str] source:enum:roster|claim evidence:[sha]",
        ),
        "person.away_set": _spec("per", "person client", "from:ts? to:ts?"),
        "person.removed": _spec("per", "person system operator client"),
        "roster.reviewed": _spec("code", "person", "people:int"),
        "change.proposed": _spec("chg", "person client operator", "type:str subject:str data_digest:sha", "change:str"),
        "change.rejected": _spec("chg", "person system", "because:enum:admin|lapsed", "reason:str"),
        "stop_codes.made": _spec("code", "person", "count:int"),
        "stop_code.used": _spec("code", "system", "revoked:[id:req]", "ip:str"),
        "sign_in.succeeded": _spec("per", "person", "acr:str? auth_time:int", "ip:str user_agent:str"),
        "sign_in.refused": _spec("code", "system", "problem:str", "ip:str user_agent:str"),
        "sign_out.done": _spec("per", "person system", "because:enum:person|provider|timeout"),
        "request.created": _spec(
            "req",
            "client",
            "account:str case:str decide_by:ts engineer:id:eng environment:str escalated:bool extends:id:req? "
            "minutes:int not_before:ts? number:str roles:[str] severity:str",
            "case_title:str case_url:str? endorser_id:str? endorser_name:str? engineer_email:str engineer_id:str "
            "engineer_name:str reason:str works_from:str?",
        ),
        "request.refused": _spec(
            "code", "client", "account:str? environment:str? problem:str count:int", "engineer_id:str?"
        ),
        "request.reminded": _spec("req", "system", "n:int to:[id:per]"),
        "request.escalated": _spec("req", "system", "to:[id:per]"),
        "decision.made": _spec(
            "req", "person", "decision:id:dec verdict:enum:approve|deny terms:terms? evidence:[sha]", "comment:str"
        ),
        "decision.refused": _spec("req", "person", "problem:str verdict:enum:approve|deny count:int"),
        "request.approved": _spec(
            "req",
            "person system",
            "decisions:[int] grant:id:grt ground:enum:approval|implementation|standing standing:id:sta? not_before:ts "
            "not_after:ts roles:[str]",
        ),
        "request.denied": _spec("req", "person", "because:enum:decision|empty-intersection decisions:[int]"),
        "request.expired": _spec("req", "system", "effective_at:ts"),
        "request.activated": _spec("req", "system", "effective_at:ts"),
        "request.elapsed": _spec("req", "system", "effective_at:ts"),
        "request.withdrawn": _spec("req", "client", "", "reason:str"),
        "request.completed": _spec("req", "client", "", "summary:str"),
        "request.revoked": _spec("req", "person system", "because:enum:approver|stop-code|rules", "reason:str"),
        "request.disputed": _spec("req", "person", "finding:id:fnd", "text:str"),
        "message.sent": _spec("req", "person client", "from:enum:institution|vendor", "text:str"),
        "standing_approval.given": _spec(
            "sta",
            "person",
            "case:str? environment:str? roles:[str] max_window_minutes:int uses:int not_after:ts decisions:[int] "
            "evidence:[sha]",
            "comment:str",
        ),
        "standing_approval.ended": _spec("sta", "person system", "because:enum:approver|rules|elapsed|used"),
        "token.issued": _spec(
            "req", "client", "grant:id:grt jti:str token_digest:sha iat:int nbf:int exp:int bound:bool"
        ),
        "token.refused": _spec("req", "client", "problem:str"),
        "token.revoked": _spec("req", "client", "jti:str"),
        "gate.refused": _spec(
            "code", "client system", "environment:str? problem:str session:id:ses? count:int", "ip:str"
        ),
        "session.opened": _spec(
            "ses",
            "client system",
            "grant:id:grt jti:str request:id:req engineer_proved:bool evidence:[sha]",
            "ip:str user_agent:str",
        ),
        "session.segment_sealed": _spec("ses", "system", "n:int from:ts to:ts events:int digest:sha late:int"),
        "session.part_added": _spec("ses", "client system", "n:int bytes:int content_type:str digest:sha"),
        "session.ended": _spec("ses", "client system", _OVER, "summary:str"),
        "session.terminated": _spec(
            "ses", "person system", "because:enum:approver|grant-over|revoked|completed|not-recorded " + _OVER
        ),
        "session.lost": _spec("ses", "system", "last_seen:ts " + _OVER),
        "session.resumed": _spec("ses", "client system", "gap_s:int"),
        "scan.completed": _spec(
            "code", "client system person", "environment:str users:int opened:int closed:int evidence:[sha]"
        ),
        "sign_ins.reconciled": _spec(
            "code",
            "client person",
            "environment:str from:ts to:ts source:enum:institution|vendor records:int matched:int evidence:[sha]",
        ),
        "finding.opened": _spec("fnd", "client system person", "kind:str environment:str? about:str?", "what:str"),
        "finding.explained": _spec("fnd", "person client", "", "text:str"),
        "finding.closed": _spec("fnd", "client system person"),
        "mail.queued": _spec("code", "system person client operator", "about:str? kind:str message_id:sha to:[id:per]"),
        "mail.failed": _spec("code", "system", "message_id:sha to:[id:per] permanent:bool"),
        "webhook.set": _spec("code", "person client operator", "webhook:id:whk types:[str]", "url:str"),
        "webhook.removed": _spec("code", "person client operator", "webhook:id:whk"),
        "trail.exported": _spec(
            "code",
            "person client operator",
            "format:enum:bundle|csv|jsonl|parquet from:int to:int request:id:req? with_private:bool",
        ),
        "private.erased": _spec("code", "person system", _ERASED.format("indexes", "int")),
        "evidence.erased": _spec("code", "person system", _ERASED.format("digests", "sha")),
        "evidence.read": _spec("code", "person client", "digest:sha"),
        "recording.read": _spec("ses", "person client", "n:int"),
        "log.observed": _spec("code", "system", "origin:str size:int root:sha"),
        "client.created": _vendor("cli", "operator", "institutions:[code] scopes:[str] audiences:[str]", "name:str"),
        "client.rotated": _vendor("cli", "operator"),
        "client.revoked": _vendor("cli", "operator"),
        "client.refused": _vendor("code", "system", "problem:str", "ip:str"),
        "key.added": _vendor("code", "operator system", "kid:str log:str? public:str use:enum:trail|token"),
        "key.retired": _vendor("code", "operator system", "kid:str"),
        "operator.signed_in": _vendor("opr", "operator", "", "ip:str"),
        "configuration.applied": _vendor("code", "operator", "digest:sha"),
        "institution.registered": _vendor("code", "operator", "code:code opened:sha"),
        "witness.set": _vendor("code", "operator", "vkeys:[str]"),
        "service.started": _vendor("code", "system", "version:str digest:sha"),
    }
)

Rule = Callable[[str, Mapping[str, Any]], bool]


def _early_erasure_signed(_: str, data: Mapping[str, Any]) -> bool:
    return data["because"] == "retention" or bool(data["evidence"])


RULES: Mapping[str, tuple[Rule, str]] = MappingProxyType(
    {
        "person.added": (lambda actor, data: actor != "system" or not data["roles"], "the system adds without roles"),
        "decision.made": (
            lambda _, data: (data["verdict"] == "approve") == (data["terms"] is not None) == bool(data["evidence"]),
            "terms and evidence stand with an approval, and only there",
        ),
        "request.approved": (
            lambda actor, data: (
                (data["ground"] == "approval") == bool(data["decisions"]) == (actor == "person")
                and (data["ground"] == "standing") == (data["standing"] is not None)
            ),
            "decisions and a person stand with an approval, `standing` with a standing one",
        ),
        "private.erased": (_early_erasure_signed, "both change and evidence are empty only for retention"),
        "evidence.erased": (_early_erasure_signed, "both change and evidence are empty only for retention"),
    }
)
"""What the table says in words: whether actor kind and data of a type agree."""
