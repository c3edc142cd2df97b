"""Our registrations at identity providers, from the institution's row and its sealed secrets."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace

from app.actions.services import Services
from app.domain.errors import Unavailable
from app.domain.institution import Institution, Provider
from app.identity.provider import ProviderConfig
from app.storage.institutions import InstitutionRow
from app.tokens.secrets import SealBroken, Secrets

_JOURNEY = "journey/registration"


def seal_secret(secrets: Secrets, code: str, client_id: str, secret: str) -> bytes:
    """The secret of a registration, sealed to the institution and the client id it belongs to."""
    return secrets.seal(_label(code, client_id), secret.encode())


def with_secrets(secrets: Secrets, row: InstitutionRow, provider: Provider, given: Mapping[str, str]) -> InstitutionRow:
    """The row with these secrets of a provider's registrations sealed; those not given stay as they are."""
    sealed = {
        name: None
        if client_id is None
        else seal_secret(secrets, row.code, client_id, given[name])
        if name in given
        else kept
        for name, client_id, kept in (
            ("client_secret", provider.client_id, row.client_secret),
            ("approval_client_secret", provider.approval_client_id, row.approval_client_secret),
        )
    }
    return replace(row, client_secret=sealed["client_secret"], approval_client_secret=sealed["approval_client_secret"])


def open_secret(secrets: Secrets, code: str, client_id: str, sealed: bytes) -> str:
    """The secret of a registration. Raises `Unavailable` where it does not open."""
    try:
        return secrets.open(_label(code, client_id), sealed).decode()
    except SealBroken as error:
        raise Unavailable("The secret of this institution's sign-in does not open.", "provider-unavailable") from error


def holds_secret(secrets: Secrets, code: str, client_id: str | None, sealed: bytes | None, secret: str | None) -> bool:
    """Whether what is sealed is this secret; true without a registration, false for one that does not open."""
    if client_id is None or secret is None or sealed is None:
        return client_id is None
    try:
        return secrets.open(_label(code, client_id), sealed) == secret.encode()
    except SealBroken:
        return False


def other_secrets(
    secrets: Secrets, row: InstitutionRow, provider: Provider, given: Mapping[str, str]
) -> dict[str, str]:
    """Those of `given` that are not what is sealed."""
    kept = {
        "client_secret": (provider.client_id, row.client_secret),
        "approval_client_secret": (provider.approval_client_id, row.approval_client_secret),
    }
    return {name: each for name, each in given.items() if not holds_secret(secrets, row.code, *kept[name], each)}


def sign_in_registration(services: Services, row: InstitutionRow, institution: Institution) -> ProviderConfig:
    """The registration that people sign in with."""
    return _registration(services, row.code, institution, institution.provider.client_id, row.client_secret)


def approval_registration(services: Services, row: InstitutionRow, institution: Institution) -> ProviderConfig:
    """The registration of countersignatures: its own where the institution has one."""
    provider = institution.provider
    if provider.approval_client_id is None:
        return sign_in_registration(services, row, institution)
    return _registration(services, row.code, institution, provider.approval_client_id, row.approval_client_secret)


def keep_registration(services: Services, registration: ProviderConfig) -> str:
    """A registration that is not in force, as a journey keeps it until the browser is back: sealed."""
    members = [registration.issuer, registration.client_id, registration.client_secret]
    return b64encode(services.secrets.seal(_JOURNEY, json.dumps(members).encode())).decode()


def open_registration(services: Services, kept: str) -> ProviderConfig:
    """What `keep_registration` kept. Raises `Unavailable` for what this service did not seal."""
    try:
        return ProviderConfig(*json.loads(services.secrets.open(_JOURNEY, b64decode(kept))))
    except SealBroken as error:
        raise Unavailable("What this journey is for does not open.", "provider-unavailable") from error


def callback(services: Services, code: str) -> str:
    """The redirect URI of an institution's provider."""
    return services.page(f"/callback/{code}")


def _registration(
    services: Services, code: str, institution: Institution, client_id: str, sealed: bytes | None
) -> ProviderConfig:
    if sealed is None:
        raise Unavailable("The sign-in of this institution is not set up completely.", "provider-unavailable")
    secret = open_secret(services.secrets, code, client_id, sealed)
    return ProviderConfig(institution.provider.issuer, client_id, secret)


def _label(code: str, client_id: str) -> str:
    return f"provider/{code}/{client_id}"
