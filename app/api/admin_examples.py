"""Examples of the administration of institutions: the same world as in `examples`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.policy import Policy

ENVIRONMENT = {
    "name": "alma-production",
    "product": "alma",
    "tier": "production",
    "phase": "support",
    "implementation_ends": None,
    "url": "https://exu.alma.vendor.example",
    "gateway_audience": "https://gateway.vendor.example/exu-alma",
}
PERSON_ID = "per_01kam3zq7nf1w8r5t2k6m9x0ab"
_INSTITUTION: Mapping[str, Any] = {
    "code": "01EXU_INST",
    "name": "Example University Library",
    "locale": "en",
    "timezone": "Europe/Vienna",
    "origin": "countersign.example/01EXU_INST",
    "enrolled_at": "2026-10-01T08:30:00Z",
    "changes_waiting": 0,
}
_PERSON = {
    "id": PERSON_ID,
    "name": "Head of Systems",
    "roles": ["admin", "approver"],
    "products": [],
    "claimed": [],
    "signed_in": True,
}
_PROVIDER = {
    "issuer": "https://login.example.edu",
    "client_id": "countersign",
    "approval_client_id": "countersign-approvals",
    "exclusive": True,
    "required_claims": {},
    "email_claim": "email",
    "roles_claim": None,
    "roles": {},
}
_CHANGE = {
    "id": "chg_01kam8d9e0f1g2h3j4k5m6n7p8",
    "type": "policy.set",
    "subject": "01EXU_INST",
    "state": "waiting",
    "proposed_by": "cli_01kam4tb9ve0s9fbp8b4a0kx0e",
    "proposed_at": "2026-11-22T09:48:03.120456Z",
    "lapses_at": "2026-12-22T09:48:03.120456Z",
    "title": "Change the policy",
    "loosens": True,
    "points": [
        {"name": "max_window_minutes", "label": "Longest window", "now": "480 minutes", "after": "600 minutes"},
    ],
}
_CLIENT_ASKED: Mapping[str, Any] = {
    "id": "support-console",
    "scopes": ["requests", "tokens"],
    "institutions": ["*"],
    "audiences": ["https://gateway.vendor.example/exu-alma"],
}
_CLIENT: Mapping[str, Any] = {
    **_CLIENT_ASKED,
    "actor": "cli_01kam4tb9ve0s9fbp8b4a0kx0e",
    "secrets": 1,
    "jwks": None,
    "jwks_uri": None,
}
_SECRET = "cs_an-example-and-no-secret"  # noqa: S105 -- an example
_POLICY: Mapping[str, Any] = Policy().to_data()

SCHEMAS: Mapping[str, Any] = {
    "ApiClient": _CLIENT,
    "ApiClients": {"items": [_CLIENT], "next_cursor": None},
    "Changes": {"items": [_CHANGE], "next_cursor": None},
    "ClientChange": {"jwks": None, "jwks_uri": "https://console.vendor.example/jwks.json"},
    "ClientSecret": {"secret": _SECRET},
    "Environment": ENVIRONMENT,
    "EnvironmentChange": {"phase": "support"},
    "Environments": {"items": [ENVIRONMENT], "next_cursor": None},
    "General": {"notify": ["library-systems@example.edu"]},
    "IdentityProvider-Output": _PROVIDER,
    "Institution": _INSTITUTION,
    "Institutions": {"items": [_INSTITUTION], "next_cursor": None},
    "NewClient": _CLIENT_ASKED,
    "NewClientAnswer": {**_CLIENT, "secret": _SECRET},
    "NewInstitution-Output": {**_INSTITUTION, "enrolled_at": None, "enrolment_code": "QH47-MARL-7PXC-2ENB"},
    "People": {"items": [_PERSON], "next_cursor": None},
    "Person": _PERSON,
    "PersonChange": {"roles": ["approver"]},
    "Policy-Input": _POLICY,
    "Policy-Output": _POLICY,
}
"""Examples of schemas, by name."""
