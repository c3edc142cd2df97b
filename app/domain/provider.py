"""An institution's identity provider, as its trail pins it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.data import Value


@dataclass(frozen=True, slots=True)
class Provider(Value):
    """An identity provider as entry 0 and changes pin it; `roles` maps values of `roles_claim` to roles."""

    issuer: str
    client_id: str
    approval_client_id: str | None
    exclusive: bool
    required_claims: Mapping[str, str]
    email_claim: str
    roles_claim: str | None
    roles: Mapping[str, str]

    @property
    def approval_audience(self) -> str:
        """The only `aud` of a countersignature."""
        return self.approval_client_id or self.client_id

    def contradicts(self, other: Provider) -> bool:
        """Whether two institutions both say of one provider that it serves them alone, which it cannot."""
        return self.exclusive and other.exclusive and self.issuer == other.issuer
