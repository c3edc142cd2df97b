"""The identity provider, kept by an admin: another one is proposed, with secrets nobody is shown, and tried first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.actions import provider_tests
from app.actions.change_mails import tell_gathered
from app.actions.change_views import as_admin, scene
from app.actions.ledger import NOT_FOUND, Ledger, write
from app.actions.proposals import open_secrets, propose, read
from app.actions.provider_tests import Candidate, sealed_result
from app.actions.registrations import callback, holds_secret, open_secret, other_secrets, with_secrets
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.wanted import of_provider
from app.actions.worldbodies import provider_of
from app.actions.worldspecs import ProviderSpec
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor
from app.domain.institution import Institution, Provider
from app.domain.languages import msg
from app.identity.provider import PRIVATE_KEY_JWT
from app.storage import institutions
from app.storage import proposals as rows
from app.storage.institutions import InstitutionRow

KEYS_PATH = "/.well-known/client-jwks.json"
SECRETS = ("client_secret", "approval_client_secret")
_NO_KEY = msg("Give the secret, or let Countersign sign in with its own key.")
_GIVE = msg("Give the secret: it belongs to this issuer and this client ID alone.")


@dataclass(frozen=True, slots=True)
class ProviderView:
    """The provider in force, and what our registrations at it have to name. `keyed`: the secrets that are our key."""

    provider: Provider
    redirect_uri: str
    keyed: frozenset[str]
    keys_uri: str


async def current(services: Services, visitor: Visitor) -> ProviderView:
    """The provider in force, for admins. Raises `Refused` not-found for anybody else."""
    async with services.database.read() as tx:
        there = await scene(services, tx, visitor)
    found, row = there.institution.provider, there.row
    sealed = dict(zip(SECRETS, (row.client_secret, row.approval_client_secret), strict=True))
    ours = frozenset(
        name
        for name, client_id in _registrations(found)
        if client_id and holds_secret(services.secrets, row.code, client_id, sealed[name], PRIVATE_KEY_JWT)
    )
    return ProviderView(found, callback(services, visitor.code), ours, services.page(KEYS_PATH))


def keyed(found: Candidate) -> frozenset[str]:
    """The names of those secrets in whose place our key signs."""
    return frozenset(name for name in SECRETS if getattr(found, name) == PRIVATE_KEY_JWT)


async def candidate(services: Services, visitor: Visitor, members: Mapping[str, Any], draft: str) -> Candidate:
    """What a form says, with the secrets that it leaves out. Raises `Refused`: not-found, validation.

    `draft`: a test of the same provider, whose secrets were given before.
    """
    async with services.database.read() as tx:
        there = await scene(services, tx, visitor)
    tried = (await provider_tests.trial(services, visitor, draft)).candidate if draft else None
    spec = provider_of(services, members)
    if tried is not None and tried.provider == spec.provider:
        spec = replace(
            spec,
            client_secret=spec.client_secret or tried.client_secret,
            approval_client_secret=spec.approval_client_secret or tried.approval_client_secret,
        )
    found = whole(services, there.row, there.institution, spec)
    for name in sorted(keyed(found)):
        if members.get(name) is None:  # a form shows our key as ticked; unticked, it is no secret that was left out
            raise Refused(Refusal.of_field(f"/{name}", _NO_KEY))
    return found


async def of_change(services: Services, visitor: Visitor, change_id: str) -> Candidate:
    """The provider that a change proposes, to be tried. Raises `Refused` not-found."""
    async with services.database.read() as tx:
        there = await scene(services, tx, visitor)
        row = await rows.read(tx, visitor.code, change_id)
        if row is None or change_id not in there.institution.changes:
            raise Refused(NOT_FOUND)
        proposal, secrets = await read(tx, there.institution, row), open_secrets(services.secrets, row)
    if proposal.wanted.type != "identity_provider.set":
        raise Refused(NOT_FOUND)
    provider = Provider.from_data(proposal.wanted.data["identity_provider"])
    spec = ProviderSpec(provider, secrets.get("client_secret", ""), secrets.get("approval_client_secret"))
    return replace(whole(services, there.row, there.institution, spec), change=change_id)


async def offer(services: Services, visitor: Visitor, wanted: Candidate, draft: str) -> str | None:
    """Propose another provider: the change's id. Only other secrets of the one in force: kept at once (None).

    Raises `Refused`: not-found, validation.
    """
    result = (await provider_tests.trial(services, visitor, draft)).result if draft else None
    async with write(services, visitor.code) as book:
        as_admin(book.institution, visitor)
        change_id = await set_or_propose(book, visitor.actor, wanted)
        if change_id is not None and result is not None:
            row = await rows.read(book.tx, book.code, change_id)
            if row is not None:
                await rows.keep(book.tx, replace(row, tested=sealed_result(services.secrets, result)))
        await tell_gathered(book)
        await book.append()
    return change_id


async def set_or_propose(book: Ledger, actor: Actor, wanted: Candidate) -> str | None:
    """Gather the proposal of another provider. Other secrets of the one in force count at once only where an admin
    gives them, or nobody is enrolled yet; else they are proposed, and wait like any other change.
    """
    provider, secrets = wanted.provider, book.services.secrets
    given = {"client_secret": wanted.client_secret, "approval_client_secret": wanted.approval_client_secret}
    kept = {name: secret for name, secret in given.items() if secret}
    if provider != book.institution.provider:
        return await propose(book, actor, of_provider(book.code, provider), kept)
    if actor.kind != "person" and book.institution.enrolled_at is not None:
        other = other_secrets(secrets, book.row, provider, kept)
        return await propose(book, actor, of_provider(book.code, provider), other) if other else None
    book.row = with_secrets(secrets, book.row, provider, kept)
    await institutions.save(book.tx, book.row)
    return None


def whole(services: Services, row: InstitutionRow, institution: Institution, spec: ProviderSpec) -> Candidate:
    """The candidate of a spec, with the secrets in force where it leaves them out.

    Raises `Refused` validation where those belong to another issuer or client.
    """
    old, new = institution.provider, spec.provider
    given = {"client_secret": spec.client_secret, "approval_client_secret": spec.approval_client_secret}
    sealed = {"client_secret": row.client_secret, "approval_client_secret": row.approval_client_secret}
    in_force = dict(_registrations(old))
    for name, client_id in _registrations(new):
        if client_id is None or given[name]:
            continue
        kept = sealed[name]
        if old.issuer != new.issuer or in_force[name] != client_id or kept is None:
            raise Refused(Refusal.of_field(f"/{name}", _GIVE))
        given[name] = open_secret(services.secrets, row.code, client_id, kept)
    return Candidate(new, given["client_secret"] or "", given["approval_client_secret"])


def _registrations(provider: Provider) -> tuple[tuple[str, str | None], ...]:
    return (("client_secret", provider.client_id), ("approval_client_secret", provider.approval_client_id))
