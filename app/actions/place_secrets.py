"""The secrets of an environment: the key of its gate, and where and with which key its users are scanned.

They stand in no trail. Those that a vendor system or an operator wants otherwise travel sealed with a change, and
count when an admin of the institution has agreed. An empty one takes away what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from app.actions import gatekeys
from app.actions.ledger import Ledger
from app.actions.opening import GATE_LABEL, alma_label
from app.actions.worldspecs import EnvironmentSpec
from app.domain.errors import Refusal, Refused
from app.storage import institutions
from app.storage.institutions import EnvironmentSecrets
from app.tokens.secrets import SealBroken, Secrets

NAMES = ("gate_key", "alma_api_base", "alma_api_key")


def other(
    secrets: Secrets, code: str, spec: EnvironmentSpec, row: EnvironmentSecrets | None, names: Iterable[str] = NAMES
) -> dict[str, str]:
    """Those of `names` that the spec has otherwise than they are kept."""
    key, there = spec.gate_key, row or EnvironmentSecrets(code, spec.environment.environment, None, None, None)
    same = {
        "gate_key": there.gate_key == (None if key is None else secrets.mac(GATE_LABEL, key)),
        "alma_api_base": there.alma_api_base == spec.alma_api_base,
        "alma_api_key": _opened(secrets, code, there) == spec.alma_api_key,
    }
    if spec.alma_api_base is not None and not same["alma_api_key"]:
        same["alma_api_base"] = False  # a key is given with the address that it may be sent to
    return {name: getattr(spec, name) or "" for name in names if not same[name]}


async def keep(book: Ledger, name: str, given: Mapping[str, str]) -> None:
    """Seal these secrets of an environment; those not given stay. Raises `Refused` validation: another's gate key."""
    if not given:
        return
    secrets, kept = book.services.secrets, await read(book, name)
    await judge_key(book, name, given)
    row = kept or gatekeys.sealed(secrets, EnvironmentSecrets(book.code, name, None, None, None))
    if "gate_key" in given:  # nothing else seals it anew: a key that somebody wrote stays without a seal
        hashed = secrets.mac(GATE_LABEL, given["gate_key"]) if given["gate_key"] else None
        row = gatekeys.sealed(secrets, replace(row, gate_key=hashed))
    if given.keys() & {"alma_api_base", "alma_api_key"}:
        row = _at_address(secrets, row, given)
    await institutions.set_environment_secrets(book.tx, row)


def _at_address(secrets: Secrets, row: EnvironmentSecrets, given: Mapping[str, str]) -> EnvironmentSecrets:
    """The key for scans sealed to its address; one that was sealed to another than the row's is gone."""
    base = given.get("alma_api_base", row.alma_api_base) or None
    key = given["alma_api_key"] if "alma_api_key" in given else _opened(secrets, row.log, row)
    sealed = secrets.seal(alma_label(row.log, row.environment, base), key.encode()) if key else None
    return replace(row, alma_api_base=base, alma_api_key=sealed)


async def judge_key(book: Ledger, name: str, given: Mapping[str, str]) -> None:
    """Raise `Refused` validation for a gate key that another environment has."""
    if not given.get("gate_key"):
        return
    found = await institutions.environment_of_gate_key(
        book.tx, book.services.secrets.mac(GATE_LABEL, given["gate_key"])
    )
    if found is not None and (found.log, found.environment) != (book.code, name):
        raise Refused(Refusal.of_field("/gate_key", "Another environment has this key; give each its own."))


async def read(book: Ledger, name: str) -> EnvironmentSecrets | None:
    """What is kept of an environment."""
    kept = await institutions.environment_secrets(book.tx, book.code)
    return next((each for each in kept if each.environment == name), None)


def _opened(secrets: Secrets, code: str, row: EnvironmentSecrets) -> str | None:
    if row.alma_api_key is None:
        return None
    try:
        return secrets.open(alma_label(code, row.environment, row.alma_api_base), row.alma_api_key).decode()
    except SealBroken:
        return None
