"""Institutions: the materialised fold of each log, the sealed secrets of providers and environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.domain.kinds import is_code
from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class InstitutionRow:
    """`state` is the domain's `Institution.to_data()` after the log's last entry; secrets are sealed by the caller."""

    code: str
    name: str
    notify: tuple[str, ...]
    origin: str
    state: Mapping[str, Any]
    client_secret: bytes | None
    approval_client_secret: bytes | None
    enrolled: bool


@dataclass(frozen=True, slots=True)
class EnvironmentSecrets:
    """`gate_key` is a keyed hash, `alma_api_key` is sealed. `mac` is made and checked by the caller."""

    log: str
    environment: str
    gate_key: bytes | None
    alma_api_base: str | None
    alma_api_key: bytes | None
    mac: bytes | None = None


async def add(tx: Transaction, row: InstitutionRow) -> None:
    """Insert a new institution; its log is open."""
    await tx.put(tables.institutions, row)


async def read(tx: Transaction, code: str) -> InstitutionRow | None:
    """The institution of a code; none where it has not even the form of one."""
    found = await tx.fetch(_READ, {"code": code}) if is_code(code) else []
    return InstitutionRow(*found[0]) if found else None


async def save(tx: Transaction, row: InstitutionRow) -> None:
    """Write every field of an institution. The caller holds the lock of its log's head."""
    await tx.fetch(_SAVE, values_of(row) | {"key": row.code})


_READ = select_rows(tables.institutions, InstitutionRow).where(tables.institutions.c.code == sa.bindparam("code"))
_SAVE = sa.update(tables.institutions).where(tables.institutions.c.code == sa.bindparam("key"))


async def codes(tx: Transaction) -> tuple[str, ...]:
    """The codes of all institutions, in order."""
    table = tables.institutions
    return tuple((await tx.connection.execute(sa.select(table.c.code).order_by(table.c.code))).scalars())


async def read_all(tx: Transaction, only: Sequence[str] | None = None) -> list[InstitutionRow]:
    """All institutions (those of the codes `only`), in the order of their codes."""
    query = select_rows(tables.institutions, InstitutionRow).order_by(tables.institutions.c.code)
    if only is not None:
        query = query.where(tables.institutions.c.code.in_(only))
    return [InstitutionRow(*found) for found in await tx.connection.execute(query)]


async def set_environment_secrets(tx: Transaction, row: EnvironmentSecrets) -> None:
    """Insert or replace the secrets of an environment."""
    values = values_of(row)
    table = tables.environment_secrets
    statement = tx.insert(table).on_conflict_do_update(index_elements=["log", "environment"], set_=values)
    await tx.connection.execute(statement, values)


async def environment_secrets(tx: Transaction, log: str) -> list[EnvironmentSecrets]:
    """The secrets of an institution's environments, in the order of their names."""
    table = tables.environment_secrets
    query = select_rows(table, EnvironmentSecrets).where(table.c.log == log).order_by(table.c.environment)
    return [EnvironmentSecrets(*found) for found in await tx.connection.execute(query)]


async def environment_of_gate_key(tx: Transaction, gate_key: bytes) -> EnvironmentSecrets | None:
    """The environment that a gate key (its keyed hash) belongs to."""
    table = tables.environment_secrets
    query = select_rows(table, EnvironmentSecrets).where(table.c.gate_key == gate_key)
    found = (await tx.connection.execute(query)).one_or_none()
    return None if found is None else EnvironmentSecrets(*found)
