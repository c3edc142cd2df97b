"""Bodies of the administration, by the names of the world file, and judged by the rules of that file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.api.schemas import Line, Name, Strict

Role = Literal["approver", "backup_approver", "auditor", "admin"]
Product = Literal["alma", "primo_ve", "leganto", "esploro"]
Tier = Literal["production", "sandbox"]
Phase = Literal["implementation", "support"]
Secret = Annotated[str, Field(min_length=1, max_length=1000, json_schema_extra={"writeOnly": True}), Line]
Email = Annotated[str, Field(max_length=254), Line]
Url = Annotated[str, Field(max_length=2000), Line]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$", description="YYYY-MM-DD")]

_PROVIDER: dict[str, Any] = {
    "issuer": "https://login.example.edu",
    "client_id": "countersign",
    "client_secret": "a secret that is never shown",
    "approval_client_id": "countersign-approvals",
    "approval_client_secret": "another secret that is never shown",
    "exclusive": True,
}
_ENVIRONMENT: dict[str, Any] = {
    "name": "alma-production",
    "product": "alma",
    "tier": "production",
    "phase": "support",
    "url": "https://exu.alma.vendor.example",
    "gateway_audience": "https://gateway.vendor.example/exu-alma",
}
_PERSON: dict[str, Any] = {"email": "head@example.edu", "name": "Head of Systems", "roles": ["approver", "admin"]}


class IdentityProvider(Strict):
    """A provider. A secret that is left out stays, where issuer and client id do."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PROVIDER]})

    issuer: Url
    client_id: Name
    client_secret: Secret | None = None
    approval_client_id: Name | None = None
    approval_client_secret: Secret | None = None
    exclusive: bool = False
    required_claims: dict[str, str] = Field(default_factory=dict, max_length=50)
    email_claim: Name = "email"
    roles_claim: Name | None = None
    roles: dict[str, Role] = Field(default_factory=dict, max_length=200)


class HoursOfDay(Strict):
    """Hours of one day of the week, in the institution's zone; `to` may be `24:00`."""

    day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    begins: str = Field(alias="from", examples=["08:00"])
    to: str = Field(examples=["17:00"])


class Range(Strict):
    """A range of the wall clock in the institution's zone."""

    begins: str = Field(alias="from", examples=["2026-12-24T00:00"])
    to: str = Field(examples=["2026-12-27T00:00"])


class Policy(Strict):
    """A policy whole; what is left out is as the default is."""

    approvals_required: int = 1
    second_approval_over_minutes: int | None = None
    working_hours: list[HoursOfDay] = Field(default_factory=list, max_length=70)
    access_hours: list[HoursOfDay] = Field(default_factory=list, max_length=70)
    blackouts: list[Range] = Field(default_factory=list, max_length=200)
    max_window_minutes: int = 480
    max_implementation_window_days: int = 30
    decide_within_minutes: int = 4320
    remind_after_minutes: list[int] = Field(default=[240, 1440], max_length=5)
    escalate_after_minutes: int | None = 1440
    sign_in_max_age_s: int = 0
    acr_values: list[str] = Field(default_factory=list, max_length=10)
    standing_approvals_allowed: bool = False
    token_ttl_minutes: int = 15
    recording_required: bool = True
    recording_retention_days: int = 90
    retention_years: int = 7
    vendor_sees_evidence: bool = False


class _Places(Strict):
    gate_key: Annotated[str, Field(min_length=16, max_length=200, json_schema_extra={"writeOnly": True})] | None = None
    alma_api_base: Url | None = None
    alma_api_key: Secret | None = None


class NewEnvironment(_Places):
    """A new environment; `implementation_ends` exactly where its phase is implementation."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENVIRONMENT]})

    name: Name
    product: Product
    tier: Tier
    phase: Phase
    url: Url
    gateway_audience: Name
    implementation_ends: Day | None = None


class EnvironmentChange(_Places):
    """What of an environment shall be other (RFC 7396)."""

    product: Product | None = None
    tier: Tier | None = None
    phase: Phase | None = None
    url: Url | None = None
    gateway_audience: Name | None = None
    implementation_ends: Day | None = None


class NewPerson(Strict):
    """Somebody who shall be on the roster; no products: all."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PERSON]})

    email: Email
    name: Name | None = None
    roles: list[Role] = Field(max_length=4)
    products: list[Product] = Field(default_factory=list, max_length=4)


class PersonChange(Strict):
    """What of a person shall be other (RFC 7396)."""

    roles: list[Role] | None = Field(default=None, max_length=4)
    products: list[Product] | None = Field(default=None, max_length=4)


class General(Strict):
    """What of an institution's general settings shall be other (RFC 7396); addresses for notices are never shown."""

    name: Name | None = None
    locale: Name | None = None
    timezone: Name | None = None
    notify: list[Email] | None = Field(default=None, max_length=50, json_schema_extra={"writeOnly": True})


class NewInstitution(Strict):
    """An institution whole, as a world file declares it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "01EXU_INST",
                    "name": "Example University Library",
                    "locale": "en",
                    "timezone": "Europe/Vienna",
                    "notify": ["library-systems@example.edu"],
                    "identity_provider": _PROVIDER,
                    "policy": {"approvals_required": 1},
                    "environments": [_ENVIRONMENT],
                    "people": [_PERSON],
                }
            ]
        }
    )

    code: Name
    name: Name
    locale: Name = "en"
    timezone: Name
    notify: list[Email] = Field(default_factory=list, max_length=50)
    identity_provider: IdentityProvider
    policy: Policy = Field(default_factory=Policy)
    environments: list[NewEnvironment] = Field(default_factory=list, max_length=50)
    people: list[NewPerson] = Field(max_length=500)
