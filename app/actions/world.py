"""The world file: TOML (https://toml.io/en/v1.0.0) that declares what the service should hold, read strictly.

Everything wrong is reported at once, each by its key path and with the remedy; unknown keys are wrong. A secret is
given as `env:NAME`, `file:PATH` (beside the world file) or as it stands; no error ever quotes one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from app.actions import worldforms as forms
from app.actions.worldspecs import (
    ClientSpec,
    EnvironmentSpec,
    InstitutionSpec,
    PersonSpec,
    ProviderSpec,
    WitnessSpec,
    World,
)
from app.actions.worldtable import Table, WorldError
from app.domain.data import sorted_tuple
from app.domain.environment import PHASES, PRODUCTS, TIERS, Environment
from app.domain.institution import Provider, is_vendor_address
from app.domain.kinds import VENDOR
from app.domain.people import DECIDING_ROLES, ROLES, VENDOR_ROLES
from app.domain.policy import Policy
from app.identity.errors import IdTokenRefused
from app.identity.jws import Jwks
from app.tokens.clients import EVERY_INSTITUTION, SCOPES
from app.trail import canonical
from app.trail.canonical import CanonicalError

MIN_SECRET = 16
_ONE_WAY = "give a client one way to sign in: secret, jwks or jwks_uri"


def read_world(data: bytes, *, environ: Mapping[str, str], folder: Path, allow_http: bool) -> World:
    """Read a world file. `allow_http`: identity providers and environments may be at http URLs (development).

    Raises `WorldError` listing everything that is wrong.
    """
    try:
        members = tomllib.loads(data.decode())
    except ValueError as error:
        raise WorldError([f"the file is not TOML: {error}"]) from error
    problems: list[str] = []
    world = WorldReader(
        Table("", members, problems), _resolver(environ, folder), forms.url("https?" if allow_http else "https")
    ).read(canonical.sha(data))
    if problems:
        raise WorldError(problems)
    return world


def read_client(
    name: str,
    secret: str | None,
    scopes: list[str],
    institutions: list[str],
    audiences: list[str],
    *,
    jwks: Mapping[str, Any] | None = None,
    jwks_uri: str | None = None,
    allow_http: bool = False,
) -> ClientSpec:
    """A client given by hand, judged as one of a world file. Raises `WorldError`."""
    problems: list[str] = []
    members: dict[str, Any] = {"id": name, "scopes": scopes, "institutions": institutions, "audiences": audiences}
    members |= {"secret": secret} if secret is not None else {}
    members |= {"jwks": jwks} if jwks is not None else {}
    members |= {"jwks_uri": jwks_uri} if jwks_uri is not None else {}
    table = Table("", members, problems)
    spec = WorldReader(table, str, forms.url("https?" if allow_http else "https")).client(table)
    if problems:
        raise WorldError(problems)
    return spec


def _key_set(table: Table) -> Mapping[str, Any] | None:
    """The public keys of a client: at least one that could sign, none that shows more than it should."""
    given = table.take("jwks", None)
    if given is None:
        return None
    try:
        found = Jwks.read(given)
        canonical.encode(dict(given))
    except (IdTokenRefused, CanonicalError):
        found = Jwks(())
    if not found.thumbprints() or len(found.thumbprints()) != len(found.keys):
        table.wrong("jwks", "a JWK set of public keys that sign is wanted: { keys = [ … ] }")
        return None
    return dict(given)


def _resolver(environ: Mapping[str, str], folder: Path) -> Callable[[str], str]:
    def resolve(text: str) -> str:
        kind, _, rest = text.partition(":")
        if kind == "env":
            if not environ.get(rest):
                raise ValueError(f"the environment has no {rest}; set it")
            return environ[rest]
        if kind == "file":
            try:
                return (folder / rest).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, ValueError) as error:
                raise ValueError(f"{folder / rest} cannot be read; put the secret there") from error
        return text

    return resolve


@dataclass(frozen=True, slots=True)
class WorldReader:
    """Reads tables of a world file into specs. `kept`: secrets may be left out, and stay as they are."""

    table: Table
    resolve: Callable[[str], str]
    url: Callable[[str], str]
    kept: bool = False

    def read(self, digest: str) -> World:
        """The world of the table."""
        table = self.table
        vendor_table = table.table("vendor")
        domains = sorted_tuple(vendor_table.texts("domains", form=forms.domain))
        vendor = self._vendor(vendor_table)
        clients = tuple(self.client(each) for each in table.tables("clients"))
        institutions = tuple(self.institution(each) for each in table.tables("institutions"))
        witnesses = tuple(self.witness(each) for each in table.tables("witnesses"))
        table.each_once("witnesses", [each.vkey for each in witnesses], "vkey")
        table.done()
        if not table.problems:
            self._across(vendor, domains, clients, institutions)
        return World(digest, vendor, domains, clients, institutions, witnesses)

    def witness(self, table: Table) -> WitnessSpec:
        """The witness of a table."""
        spec = WitnessSpec(table.text("url", form=self.url), table.text("vkey", form=forms.witness_key))
        table.done()
        return spec

    def _vendor(self, table: Table) -> InstitutionSpec:
        spec = InstitutionSpec(
            path="vendor",
            code=VENDOR,
            name=table.text("name", form=forms.label),
            locale="en",
            time_zone="UTC",
            notify=(),
            provider=self.provider(table.table("identity_provider"), ()),
            policy=Policy(),
            environments=(),
            people=self._people(table, VENDOR_ROLES),
        )
        table.done()
        return spec

    def institution(self, table: Table) -> InstitutionSpec:
        """The institution of a table."""
        spec = InstitutionSpec(
            path=table.path,
            code=table.text("code", form=forms.code),
            name=table.text("name", form=forms.label),
            locale=table.text("locale", "en", form=forms.locale),
            time_zone=table.text("timezone", form=forms.zone),
            notify=table.texts("notify", (), form=forms.email),
            provider=self.provider(table.table("identity_provider"), ROLES),
            policy=read_policy(table),
            environments=tuple(self.environment(each) for each in table.tables("environments")),
            people=self._people(table, ROLES),
        )
        table.done()
        return spec

    def provider(self, table: Table, known_roles: tuple[str, ...]) -> ProviderSpec:
        """The provider of a table, whose claim map gives some of these roles."""
        claim, roles = _claim_map(table, known_roles)
        approval = table.text("approval_client_id", None, form=forms.label)
        approval_secret = self._secret(table, "approval_client_secret", needed=approval is not None)
        if approval is None and approval_secret is not None:
            table.wrong("approval_client_secret", "there is no approval_client_id that it could belong to; give both")
        spec = ProviderSpec(
            Provider(
                issuer=table.text("issuer", form=self.url),
                client_id=table.text("client_id", form=forms.label),
                approval_client_id=approval,
                exclusive=table.boolean("exclusive", default=False),
                required_claims=table.strings("required_claims"),
                email_claim=table.text("email_claim", "email", form=forms.label),
                roles_claim=claim,
                roles=roles,
            ),
            self._secret(table, "client_secret", needed=True) or "",
            approval_secret,
        )
        table.done()
        return spec

    def environment(self, table: Table) -> EnvironmentSpec:
        """The environment of a table."""
        since = len(table.problems)
        phase = table.text("phase", form=forms.one_of(PHASES))
        ends = table.take("implementation_ends", None)
        if ends is not None and type(ends) is not date:
            table.wrong("implementation_ends", "a date without quotes is wanted, such as 2027-03-01")
        elif (ends is not None) != (phase == "implementation"):
            table.wrong("implementation_ends", 'give it exactly where phase = "implementation"')
        environment = table.made(
            lambda: Environment(
                environment=table.text("name", form=forms.name),
                product=table.text("product", form=forms.one_of(PRODUCTS)),
                tier=table.text("tier", form=forms.one_of(TIERS)),
                phase=phase,
                url=table.text("url", form=self.url),
                audience=table.text("gateway_audience", form=forms.label),
                implementation_ends=ends.isoformat() if type(ends) is date else None,
            ),
            since,
        )
        spec = EnvironmentSpec(
            environment=environment,
            gate_key=self._secret(table, "gate_key", least=MIN_SECRET),
            alma_api_base=table.text("alma_api_base", None, form=self.url),
            alma_api_key=self._secret(table, "alma_api_key"),
        )
        table.done()
        return spec

    def _people(self, table: Table, roles: tuple[str, ...]) -> tuple[PersonSpec, ...]:
        people = tuple(read_person(each, roles) for each in table.tables("people"))
        table.each_once("people", [person.email for person in people], "e-mail address")
        return people

    def client(self, table: Table) -> ClientSpec:
        """The client of a table."""
        since = len(table.problems)
        spec = ClientSpec(
            id=table.text("id", form=forms.client),
            secret=self._secret(table, "secret", least=MIN_SECRET),
            jwks=_key_set(table),
            jwks_uri=table.text("jwks_uri", None, form=self.url),
            scopes=sorted_tuple(table.texts("scopes", form=forms.one_of(tuple(sorted(SCOPES))))),
            institutions=sorted_tuple(table.texts("institutions", form=forms.code_or_all)),
            audiences=sorted_tuple(table.texts("audiences", (), form=forms.label)),
        )
        ways = sum(way is not None for way in (spec.secret, spec.jwks, spec.jwks_uri))
        if ways != 1 and len(table.problems) == since:  # a way that is wrong is named itself
            table.wrong("secret", _ONE_WAY)
        if EVERY_INSTITUTION in spec.institutions and len(spec.institutions) > 1:
            table.wrong("institutions", 'give ["*"] for all, or codes')
        table.done()
        return spec

    def _secret(self, table: Table, key: str, *, needed: bool = False, least: int = 1) -> str | None:
        def form(text: str) -> str:
            secret = self.resolve(text)
            if len(secret) < least:
                raise ValueError(f"at least {least} characters are wanted; make one with `openssl rand -base64 32`")
            return secret

        return table.text(key, form=form) if needed and not self.kept else table.text(key, None, form=form)

    def _across(
        self,
        vendor: InstitutionSpec,
        domains: tuple[str, ...],
        clients: tuple[ClientSpec, ...],
        institutions: tuple[InstitutionSpec, ...],
    ) -> None:
        """What no single table can tell."""
        table = self.table
        environments = [each for institution in institutions for each in institution.environments]
        table.each_once("clients", [client.id for client in clients], "id")
        table.each_once("institutions", [institution.code for institution in institutions], "code")
        table.each_once(
            "institutions", [forms.url_key(each.environment.url) for each in environments], "environment's url"
        )
        table.each_once(
            "institutions", [each.gate_key for each in environments if each.gate_key], "gate_key", say=False
        )
        for place, each in enumerate(institutions):
            judge_institution(table, each, vendor.provider.provider.issuer, domains)
            if any(each.provider.provider.contradicts(other.provider.provider) for other in institutions[:place]):
                table.wrong(f"{each.path}.identity_provider.exclusive", forms.NOT_ALONE)


def judge_institution(table: Table, spec: InstitutionSpec, vendor_issuer: str, domains: tuple[str, ...]) -> None:
    """What no single table of an institution can tell."""
    names = [environment.environment.environment for environment in spec.environments]
    table.each_once(f"{spec.path}.environments", names, "name")
    if spec.provider.provider.issuer == vendor_issuer:
        table.wrong(f"{spec.path}.identity_provider.issuer", "it is the vendor's; give the institution's own")
    if not any("admin" in person.roles for person in spec.people):
        table.wrong(f"{spec.path}.people", 'give one the role "admin", who confirms the enrolment code')
    for place, person in enumerate(spec.people):
        is_vendors = is_vendor_address(person.email.rpartition("@")[2], domains)
        if is_vendors and DECIDING_ROLES.intersection(person.roles):
            path = f"{spec.path}.people[{place}].roles"
            table.wrong(path, "nobody with an address of the vendor is ever an approver; take the role out")


def _claim_map(table: Table, known: tuple[str, ...]) -> tuple[str | None, Mapping[str, str]]:
    """The claim that roles come from, and what its values give; both are declared, or neither is."""
    claim, roles = table.text("roles_claim", None, form=forms.label), table.strings("roles")
    if not known and (claim is not None or roles):
        table.wrong("roles_claim", "the vendor's people are listed, since bundles name them; take it out")
        return None, {}
    for value, role in roles.items():
        if role not in known:
            table.wrong(f"roles.{value}", f"one of {', '.join(known)} is wanted")
    if (claim is None) != (not roles):
        table.wrong("roles_claim", "give it together with roles, which says what the claim's values give")
    return claim, roles


def read_person(table: Table, roles: tuple[str, ...]) -> PersonSpec:
    """The person of a table, with some of these roles."""
    email = table.text("email", form=forms.email)
    spec = PersonSpec(
        email=email,
        name=table.text("name", email, form=forms.label),
        roles=sorted_tuple(table.texts("roles", form=forms.one_of(roles))),
        products=sorted_tuple(table.texts("products", (), form=forms.one_of(PRODUCTS))),
    )
    table.done()
    return spec


def read_policy(table: Table) -> Policy:
    """The policy of a table of an institution; what it leaves out is as the default is."""
    since, given = len(table.problems), table.table("policy", {})
    known = Policy().to_data()
    data = {name: given.take(name, default) for name, default in known.items()}
    given.done()
    return given.made(lambda: Policy.from_data(data), since)
