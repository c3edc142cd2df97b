"""Where a world file has other secrets than an enrolled institution: they travel with what is proposed there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from app.actions import place_secrets
from app.actions import wanted as wants
from app.actions.registrations import other_secrets
from app.actions.worlddiff import PROPOSED, Difference
from app.actions.worldspecs import InstitutionSpec
from app.domain.institution import Institution
from app.storage.institutions import EnvironmentSecrets, InstitutionRow
from app.tokens.secrets import Secrets


def with_secrets(
    secrets: Secrets,
    spec: InstitutionSpec,
    row: InstitutionRow,
    kept: Mapping[str, EnvironmentSecrets],
    found: Iterable[Difference],
) -> Iterator[Difference]:
    """The differences with the secrets that belong to them, and those of secrets alone."""
    left = dict(_environments(secrets, spec, kept))
    for each in found:
        name = each.wanted.data["environment"]["environment"] if each.wanted.type == "environment.set" else None
        yield each if name is None else replace(each, secrets=left.pop(name, {}))
    for environment in (each.environment for each in spec.environments):
        given = left.pop(environment.environment, {})
        if given:
            path = f"{spec.path}.environments.{environment.environment}"
            wanted = wants.of_environment(spec.code, environment)
            yield Difference(spec.code, (f"{path}: secrets; {PROPOSED}",), wanted, given)
    yield from _provider(secrets, spec, row)


def _environments(
    secrets: Secrets, spec: InstitutionSpec, kept: Mapping[str, EnvironmentSecrets]
) -> Iterator[tuple[str, dict[str, str]]]:
    for each in spec.environments:
        name = each.environment.environment
        yield name, place_secrets.other(secrets, spec.code, each, kept.get(name))


def _provider(secrets: Secrets, spec: InstitutionSpec, row: InstitutionRow) -> Iterator[Difference]:
    provider, given = spec.provider.provider, spec.provider
    if provider != Institution.from_data(row.state).provider:
        return
    declared = {"client_secret": given.client_secret, "approval_client_secret": given.approval_client_secret}
    others = other_secrets(secrets, row, provider, {name: each for name, each in declared.items() if each})
    if others:
        told = f"{spec.path}.identity_provider: secrets; {PROPOSED}"
        yield Difference(spec.code, (told,), wants.of_provider(spec.code, provider), others)
