"""Whose gate a call comes from: every call of a gate carries the key of its environment.

nginx sets the key, never a browser, so whatever else such a call says of the request it is about (its address, the
address of its browser) is nginx's word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from app.actions import gatekeys
from app.actions.opening import GATE_LABEL
from app.actions.services import Services
from app.domain.environment import Environment
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.institution import Institution
from app.storage import institutions
from app.storage.database import Transaction
from app.tokens.secrets import Secrets

RETURN_PATH = "/countersign/gate/return"
UNKNOWN = Refusal("gate-unknown", "No environment's gate has this key.")


@dataclass(frozen=True, slots=True)
class Gate:
    """An environment's gate, by the key it presented."""

    code: str
    environment: Environment

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.environment.environment

    def return_uri(self, services: Services) -> str:
        """Where the vendor's provider sends engineers back to. Raises `Unavailable` where the audience is no origin."""
        parts = urlsplit(self.environment.audience)
        schemes = {"http", "https"} if services.base_url.startswith("http:") else {"https"}
        if not parts.hostname or parts.scheme not in schemes:
            raise Unavailable("The gateway audience of this environment is no address to come back to.")
        return f"{parts.scheme}://{parts.netloc}{RETURN_PATH}"


def key_hash(services: Services, key: str | None) -> bytes:
    """What is kept of a gate key."""
    return _hashed(services.secrets, key or "")


@lru_cache(maxsize=1024)
def _hashed(secrets: Secrets, key: str) -> bytes:
    """Remembered: the same few keys come with every request at every gate."""
    return secrets.mac(GATE_LABEL, key.encode("utf-8", "surrogatepass"))


async def gate_of(services: Services, tx: Transaction, hashed: bytes) -> Gate:
    """The gate of a key's hash. Raises `Refused` gate-unknown, which is no institution's event."""
    found = await institutions.environment_of_gate_key(tx, hashed)
    if found is None or not gatekeys.holds(services.secrets, found.log, found.environment, found.gate_key, found.mac):
        raise Refused(UNKNOWN)
    row = await institutions.read(tx, found.log)
    environments = {} if row is None else Institution.from_data(row.state).environments
    environment = environments.get(found.environment)
    if environment is None:
        raise Refused(UNKNOWN)
    return Gate(found.log, environment)
