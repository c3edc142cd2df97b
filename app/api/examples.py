"""What the description of the API shows by example: bodies, answers, parameters; one world, the same names throughout.

A test holds that every operation has an example of whatever is sent and answered, and that each is of its schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.api import admin_examples
from app.api.answers import AccessRequest
from app.api.schemas import ASKED
from app.domain.accounts import ACCOUNTS, SOURCE

_AT, _LATER = "2026-11-22T09:51:16.123456Z", "2026-11-22T13:51:16.123456Z"
_REQUEST = "req_01kam4x0a5e0a8gs2yt6y6a8nd"
_GRANT = "grt_01kam52xpce4btw4m0y3q2v8vz"
_SESSION_ID = "ses_01kam57d3cf6v9q0m1x2z8e4rt"
_JWT = (
    "eyJhbGciOiJFUzI1NiIsImtpZCI6IjFrM1EiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJodHRwczovL2NvdW50ZXJzaWduLmV4YW1wbGUifQ.c2ln"
)
_HASH = "81cf801981cf801981cf801981cf801981cf801981cf801981cf801981cf8019"
_ROOT = "gc+AGYHPgBmBz4AZgc+AGYHPgBmBz4AZgc+AGYHPgBk="
_ASKED_FOR: Any = AccessRequest.model_config.get("json_schema_extra")
_SHOWN: Any = _ASKED_FOR["examples"][0]
_SESSION: Mapping[str, Any] = {
    "id": _SESSION_ID,
    "grant": _GRANT,
    "request": _REQUEST,
    "institution": "01EXU_INST",
    "environment": "alma-production",
    "account": "exl_impl",
    "engineer": "e1234",
    "engineer_proved": True,
    "state": "open",
    "opened_at": _AT,
    "ended_at": None,
    "ended_because": None,
    "not_after": _LATER,
    "heartbeat_s": 30,
    "coverage": {"seconds": 600, "recorded_seconds": 570, "supplied_by": "gate", "gaps": []},
}
_ENTRY = {
    "index": 41,
    "leaf_hash": _HASH,
    "entry": {
        "actor": {"id": admin_examples.PERSON_ID, "kind": "person"},
        "at": _AT,
        "data": {"because": "approver"},
        "id": "evt_01kam5e9q2fq1sm0rh8v2x7y3c",
        "index": 41,
        "institution": "01EXU_INST",
        "private": f"sha256:{_HASH}",
        "subject": _REQUEST,
        "type": "request.revoked",
        "v": 1,
    },
    "private": None,
}
_STANDING = {
    "id": "sta_01kam6f1w2e3x4c5v6b7n8m9q0",
    "state": "open",
    "ended_because": None,
    "environment": "alma-production",
    "case": None,
    "roles": ["Fulfillment Administrator"],
    "minutes": 120,
    "uses": 3,
    "used": 1,
    "not_after": "2026-12-20T17:00:00Z",
    "given_by": ["Head of Systems"],
    "givers_wanted": 1,
}
_WEBHOOK_ID = "whk_01kam52xpce4btw4m0y3q2v8vz"
_WANTED: Mapping[str, Any] = {
    "url": "https://cases.vendor.example/countersign",
    "types": ["request.*", "message.sent"],
    "institutions": ["01EXU_INST"],
}
_SECRET = "whsec_VGhpcyBpcyBhbiBleGFtcGxlLCBhbmQgbm8gc2VjcmV0IQ=="  # noqa: S105 -- an example
_WEBHOOK: Mapping[str, Any] = {
    "id": _WEBHOOK_ID,
    **_WANTED,
    "enabled": True,
    "created_by": "cli_01kam4tb9ve0s9fbp8b4a0kx0e",
    "created_at": _AT,
    "updated_at": _AT,
    "old_secret_until": None,
    "deliveries": {
        "waiting": 2,
        "dead": 0,
        "delivered_at": "2026-11-22T09:51:16.843120Z",
        "failed_at": "2026-11-22T10:02:40.004211Z",
        "error": "answered 503",
        "paused_until": "2026-11-22T10:03:14.004211Z",
    },
}
_DEAD = {
    "id": "evt_01kam5e9q2fq1sm0rh8v2x7y3c",
    "type": "request.approved",
    "institution": "01EXU_INST",
    "request": _REQUEST,
    "sequence": 12,
    "attempts": 44,
    "error": "unreachable",
}
_FINDING = {
    "id": "fnd_01kam7j5k6l7m8n9p0q1r2s3t4",
    "institution": "01EXU_INST",
    "environment": "alma-production",
    "kind": "work-disputed",
    "state": "explained",
    "subject": "More was changed than the report tells.",
    "opened_at": "2026-11-23T08:12:00Z",
    "closed_at": None,
    "explanation": "The rule was renamed by the nightly job, not by us.",
    "session": None,
    "request": _REQUEST,
}

_SUPPORT = ACCOUNTS["exl_support"]
_ACCOUNT = {
    "id": _SUPPORT.id,
    "names": list(_SUPPORT.names),
    "may_be_requested": _SUPPORT.problem is None,
    "problem": _SUPPORT.problem,
    "may_sign_in": _SUPPORT.may_sign_in,
    "why": _SUPPORT.why,
}
SCHEMAS: Mapping[str, Any] = {
    **admin_examples.SCHEMAS,
    "AccessRequest": _SHOWN,
    "AccessRequests": {"items": [_SHOWN], "next_cursor": "cmVxXzAxa2FtNHgwYTVlMGE4Z3MyeXQ2eTZhOG5k"},
    "AccessToken": {"access_token": _JWT, "token_type": "Bearer", "expires_in": 600, "scope": "requests tokens"},
    "ApprovalToken": {"access_token": _JWT, "token_type": "Bearer", "expires_in": 900, "expires_at": _LATER},
    "Completion": {"summary": "A rule of the job had been renamed; it runs again."},
    "DeadLetterPage": {"items": [_DEAD], "next_cursor": None},
    "Entries": {"items": [_ENTRY], "next_cursor": None},
    "Finding": _FINDING,
    "Findings": {"items": [_FINDING], "next_cursor": None},
    "Health": {"ready": True},
    "Heard": {"continue": True, "not_after": _LATER, "because": None},
    "Introspection": {
        "active": True,
        "token_type": "Bearer",
        "iss": "https://countersign.example",
        "aud": "https://gateway.vendor.example/exu-alma",
        "sub": "e1234",
        "client_id": "support-console",
        "iat": 1795341076,
        "nbf": 1795341076,
        "exp": 1795341976,
        "jti": "Zm9yIGFuIGV4YW1wbGU",
        "authorization_details": [
            {
                "type": "support_access",
                "institution": "01EXU_INST",
                "environment": "alma-production",
                "account": "exl_impl",
                "case": ASKED["case"]["number"],
                "roles": ASKED["roles"],
                "request": _REQUEST,
                "grant": _GRANT,
            }
        ],
    },
    "Account": _ACCOUNT,
    "Accounts": {"items": [_ACCOUNT], "source": SOURCE, "next_cursor": None},
    "AccountScan": {
        "id": "scn_01kam6a1x9ee8s4rr0w7b5d2hq",
        "users": 18452,
        "opened": [_FINDING["id"]],
        "closed": [],
        "broken": 1,
        "broken_rows": [{"line": 812, "detail": "it has 7 fields and not 8"}],
    },
    "NewAccessRequest": ASKED,
    "NewMessage": {"text": "It also fails on Sundays."},
    "NewWebhook": _WANTED,
    "NewWebhookAnswer": {**_WEBHOOK, "secret": _SECRET},
    "OAuthError": {"error": "invalid_client", "error_description": "The client is unknown, or its secret is wrong."},
    "Part": {"sha256": _HASH, "bytes": 48213},
    "ProofAnswer": {"size": 42, "root": _ROOT, "hashes": [_ROOT]},
    "Session": _SESSION,
    "SessionEnd": {"summary": "Read the job's configuration and ran it once."},
    "Sessions": {"items": [_SESSION], "next_cursor": None},
    "SignInsAnswer": {"matched": 41, "opened": [_FINDING["id"]]},
    "StandingApprovals": {"items": [_STANDING], "next_cursor": None},
    "Webhook": _WEBHOOK,
    "WebhookChange": {"types": ["request.approved", "request.revoked"]},
    "WebhookMessage": {"type": "request.approved", "timestamp": _AT, "data": _SHOWN},
    "WebhookSecret": {"secret": _SECRET},
    "Webhooks": {"items": [_WEBHOOK], "next_cursor": None},
    "Withdrawal": {"reason": "Solved without access."},
}
"""Examples of schemas, by name."""

_CHECKPOINT = (
    f"countersign.example/01EXU_INST\n42\n{_ROOT}\n\n— countersign.example/01EXU_INST "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
_COSIGNATURE = (
    "— witness.example/w1 0pOUjgAAAABq/G0AAmFuIGV4YW1wbGU7IGl0IGlzIG5vIHJlYWwgc2lnbmF0dXJlIGFuZCBzaXh0eS1m"
    "b3VyIGJ5dGVzIGxvbmcgIQ==\n"
)
_VKEY = "countersign.example/01EXU_INST+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n"
BODIES: Mapping[str, Any] = {
    "oauth_token": {"grant_type": "client_credentials", "scope": "requests tokens"},
    "oauth_revoke": {"token": _JWT},
    "oauth_introspect": {"token": _JWT},
}
"""Examples of what is sent, by operation, where it has no schema of a name."""

_JWKS: Mapping[str, Any] = {
    "keys": [
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            "use": "sig",
            "alg": "ES256",
            "kid": "1k3Q",
        }
    ]
}

ANSWERS: Mapping[str, Any] = {
    "oauth_revoke": {},
    "oauth_metadata": {
        "issuer": "https://countersign.example",
        "token_endpoint": "https://countersign.example/oauth2/token",
        "jwks_uri": "https://countersign.example/.well-known/jwks.json",
        "grant_types_supported": ["client_credentials"],
    },
    "oauth_jwks": _JWKS,
    "oauth_client_jwks": _JWKS,
    "health_healthz": {"status": "ok"},
    "trail_checkpoint": _CHECKPOINT,
    "trail_read_evidence": {
        "id_token": _JWT,
        "jwk": {"crv": "P-256", "kid": "1k3Q", "kty": "EC", "x": _ROOT[:-1], "y": _ROOT[:-1]},
        "v": "countersign/binding/1",
    },
    "trail_witnessed": _CHECKPOINT + _COSIGNATURE,
    "trail_verifier_keys": _VKEY,
}
"""Examples of what is answered, by operation, likewise."""

KINDS: Mapping[str, str] = {
    "application/x-ndjson": '{"index":41,"leaf_hash":"…","entry":{…},"private":null}\n{"end":true,"entries":1,…}\n',
    "text/event-stream": (
        "id: 1024\nevent: request.approved\n"
        f'data: {{"id":"evt_01kam5e9q2fq1sm0rh8v2x7y3c","type":"request.approved","timestamp":"{_AT}",'
        f'"data":{{"id":"{_REQUEST}","status":"approved",…}}}}\n\n'
    ),
}
"""Examples of answers that are no JSON, by media type, shortened."""

_CURSOR = "`next_cursor` of the page before, as it is"
_TAG = "the `ETag` that was read"
PARAMETERS: Mapping[str, tuple[str, Any]] = {
    "account": ("the vendor account", "exl_impl"),
    "actor": ("who did it: `per_…`, `cli_…`, `opr_…`, `service` or `worker`", admin_examples.PERSON_ID),
    "after": ("entries from this instant on", "2026-11-22T00:00:00Z"),
    "before": ("entries before this instant", "2026-11-23T00:00:00Z"),
    "case": ("the number of the vendor's case", "06543210"),
    "client_id": ("the name that the client signs in with", "support-console"),
    "code": ("the institution's code", "01EXU_INST"),
    "created_after": ("requests made after this instant", "2026-11-22T00:00:00Z"),
    "created_before": ("requests made before this instant", "2026-11-23T00:00:00Z"),
    "cursor": (_CURSOR, None),
    "dates": ("how the file writes days that it does not write as 2026-11-14", "dmy"),
    "environment": ("the environment's name", "alma-production"),
    "engineer": ("the vendor's id of the engineer", "e1234"),
    "finding_id": ("the finding's id", _FINDING["id"]),
    "from": ("the first index, or the older size of a proof of consistency", 0),
    "if-match": (f"{_TAG}: what has changed since is refused as `stale`", '"2-pending"'),
    "if-none-match": (f"{_TAG}: what has not changed since is answered `304`", '"2-pending"'),
    "index": ("the entry's index", 41),
    "institution": ("the institution's code", "01EXU_INST"),
    "sha256": ("the evidence's SHA-256, as entries name it", f"sha256:{_HASH}"),
    "last-event-id": ("the last `id` that was read: the stream goes on after it", "1024"),
    "level": ("the level of a tile, 0 at the entries", 0),
    "limit": ("how many at most", 50),
    "n": ("the part's number, from 1", 1),
    "name": ("the environment's name", "alma-production"),
    "person_id": ("the person's id", admin_examples.PERSON_ID),
    "path": ("the tile's number in groups of three digits, for a partial one with its width", "x001/x234/067"),
    "request": ("the access request's id", _REQUEST),
    "request_id": ("the access request's id", _REQUEST),
    "session_id": ("the session's id", _SESSION_ID),
    "size": ("the size of the tree that a proof is for", 42),
    "source": ("who took the records out of the environment", "institution"),
    "standing_id": ("the standing approval's id", _STANDING["id"]),
    "state": ("the session's state", "open"),
    "status": ("the status by the clock", "active"),
    "to": ("one past the last index, or the newer size of a proof of consistency", 42),
    "type": ("the type of event", "request.approved"),
    "webhook_id": ("the webhook's id", _WEBHOOK_ID),
}
"""What parameters mean, where a route does not say, with a value."""
