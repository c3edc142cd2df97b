"""Gate keys are sealed to their environment: a MAC whose key is not in the database covers both.

So whoever writes the database can neither give an environment a key of their own nor move one to another environment.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from app.storage import institutions
from app.storage.database import Transaction
from app.storage.institutions import EnvironmentSecrets
from app.tokens.secrets import Secrets

LABEL = "row/environment"


def sealed(secrets: Secrets, row: EnvironmentSecrets) -> EnvironmentSecrets:
    """The row with its MAC."""
    return replace(row, mac=secrets.mac(LABEL, row.log, row.environment, row.gate_key or b""))


def holds(secrets: Secrets, log: str, environment: str, gate_key: bytes | None, mac: bytes | None) -> bool:
    """Whether this service gave the environment this key, or none."""
    return mac is not None and secrets.mac_holds(mac, LABEL, log, environment, gate_key or b"")


async def broken(secrets: Secrets, tx: Transaction, log: str) -> AsyncIterator[EnvironmentSecrets]:
    """The rows of a log whose MAC does not hold."""
    for row in await institutions.environment_secrets(tx, log):
        if not holds(secrets, row.log, row.environment, row.gate_key, row.mac):
            yield row


async def seal_all(secrets: Secrets, tx: Transaction, log: str) -> None:
    """Seal every row of a log whose MAC does not hold, as it is: gate keys stand in no trail. The log is locked."""
    async for row in broken(secrets, tx, log):
        await institutions.set_environment_secrets(tx, sealed(secrets, row))
