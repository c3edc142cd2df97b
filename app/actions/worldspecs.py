"""What a world file declares, as values. Secrets are resolved, and shown by no `repr`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.environment import Environment
from app.domain.institution import Provider
from app.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """What a trail pins of an identity provider, and the secrets of our registrations there."""

    provider: Provider
    client_secret: str = field(repr=False)
    approval_client_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class PersonSpec:
    """A person of the roster; `email` in lower case."""

    email: str
    name: str
    roles: tuple[str, ...]
    products: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """An environment, the key of its gate, and where its users can be scanned."""

    environment: Environment
    gate_key: str | None = field(repr=False)
    alma_api_base: str | None
    alma_api_key: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class InstitutionSpec:
    """An institution; the vendor as well, whose code is `VENDOR`. `path` is where it stands in the file."""

    path: str
    code: str
    name: str
    locale: str
    time_zone: str
    notify: tuple[str, ...]
    provider: ProviderSpec
    policy: Policy
    environments: tuple[EnvironmentSpec, ...]
    people: tuple[PersonSpec, ...]


@dataclass(frozen=True, slots=True)
class ClientSpec:
    """An API client, by the name it signs in with: with a secret, or with keys, here or at an address."""

    id: str
    secret: str | None = field(repr=False)
    scopes: tuple[str, ...]
    institutions: tuple[str, ...]
    audiences: tuple[str, ...]
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None


@dataclass(frozen=True, slots=True)
class WitnessSpec:
    """A witness of all logs: the prefix that checkpoints are submitted to, and its verifier key."""

    url: str
    vkey: str


@dataclass(frozen=True, slots=True)
class World:
    """A world file, judged. `digest` is of its exact bytes."""

    digest: str
    vendor: InstitutionSpec
    vendor_domains: tuple[str, ...]
    clients: tuple[ClientSpec, ...]
    institutions: tuple[InstitutionSpec, ...]
    witnesses: tuple[WitnessSpec, ...] = ()
