"""API clients: who they are, and how one proves it (RFC 6749 section 2.3, RFC 7617, RFC 7523)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from app.domain.errors import CountersignError
from app.tokens.assertion import named_in
from app.tokens.secrets import Secrets

SCOPES = frozenset("requests requests:read tokens introspect sessions accounts trail:read admin".split())
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EVERY_INSTITUTION = "*"

Form = Sequence[tuple[str, str]]
"""A body of `application/x-www-form-urlencoded`, decoded, in its order, repetitions kept."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client as the database has it now. `id` is its `cli_…`, `client_id` the name it signs in with.

    `secret_hashes` are `Secrets.hash_secret` of those that count (two while one is being rotated); `institutions` may
    hold `*`; `audiences` are the gateways whose tokens and sessions it deals with, none if empty. One that signs
    assertions has its public keys in `jwks` or at `jwks_uri`.
    """

    id: str
    client_id: str
    name: str
    secret_hashes: tuple[str, ...] = field(repr=False)
    scopes: frozenset[str]
    institutions: frozenset[str]
    audiences: frozenset[str]
    disabled: bool = False
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the API with an access token, and how far it may go; `until` its token ends.

    `jkt` is the key it proved to hold, if any.
    """

    client_id: str
    cli: str
    scopes: frozenset[str]
    institutions: frozenset[str]
    audiences: frozenset[str]
    until: datetime | None = None
    jkt: str | None = None

    def serves(self, institution: str) -> bool:
        """Whether its limits admit this institution."""
        return EVERY_INSTITUTION in self.institutions or institution in self.institutions


def caller_of(client: Client) -> Caller:
    """Who calls, where the client itself has signed in for this call."""
    return Caller(client.client_id, client.id, client.scopes, client.institutions, client.audiences)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a call to `/oauth2/*` brought to say who calls: a secret, or an assertion that is not judged yet."""

    client_id: str
    secret: str = field(repr=False)
    method: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"]
    assertion: str | None = field(default=None, repr=False)


class CredentialsRefused(CountersignError):
    """Credentials that cannot be read; `error` is the code of RFC 6749 section 5.2."""

    def __init__(self, error: Literal["invalid_request", "invalid_client"], detail: str) -> None:
        super().__init__(detail)
        self.error = error


def read_credentials(authorization: str | None, form: Form) -> Credentials:
    """The client id and secret of the call, by which the caller loads the client. Raises `CredentialsRefused`."""
    names = [name for name, _ in form]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise CredentialsRefused("invalid_request", f"A parameter is given twice: {_printable(repeated[0])}.")
    fields = {name: value for name, value in form if value}
    if authorization is None:
        return _from_form(fields)
    credentials = _from_header(authorization)
    if {"client_secret", "client_assertion", "client_assertion_type"} & fields.keys():
        raise CredentialsRefused("invalid_request", "Use one way to sign in, not two.")
    if fields.get("client_id", credentials.client_id) != credentials.client_id:
        raise CredentialsRefused("invalid_request", "client_id differs from the one that signs in.")
    return credentials


def authenticate(credentials: Credentials, client: Client | None, secrets: Secrets) -> Client | None:
    """The client, if the secret is one of its own and it is not disabled. Same work where there is no such client."""
    hashes = client.secret_hashes if client is not None else ("0" * 64,)
    proved = secrets.secret_matches(credentials.secret, hashes) and credentials.assertion is None
    if client is None or client.disabled or client.client_id != credentials.client_id or not proved:
        return None
    return client


def _from_form(fields: dict[str, str]) -> Credentials:
    if {"client_assertion", "client_assertion_type"} & fields.keys():
        return _from_assertion(fields)
    if not {"client_id", "client_secret"} <= fields.keys():
        raise CredentialsRefused("invalid_client", "The client has to sign in with its id and secret.")
    return Credentials(fields["client_id"], fields["client_secret"], "client_secret_post")


def _from_assertion(fields: dict[str, str]) -> Credentials:
    """RFC 7521 section 4.2: `client_id` may be left out, and otherwise is the one that the assertion names."""
    assertion = fields.get("client_assertion", "")
    if "client_secret" in fields:
        raise CredentialsRefused("invalid_request", "Use one way to sign in, not two.")
    if fields.get("client_assertion_type") != ASSERTION_TYPE:
        raise CredentialsRefused("invalid_client", f"The client_assertion_type here is {ASSERTION_TYPE}.")
    client_id = named_in(assertion)
    if client_id is None or fields.get("client_id", client_id) != client_id:
        raise CredentialsRefused("invalid_client", "The assertion cannot be read, or is not of this client.")
    return Credentials(client_id, "", "private_key_jwt", assertion)


def _from_header(authorization: str) -> Credentials:
    """HTTP Basic whose both halves are form-encoded (RFC 6749 section 2.3.1): percent-decoded, `+` a space."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise CredentialsRefused("invalid_client", "The client has to sign in with HTTP Basic or in the body.")
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(" "), validate=True).decode().partition(":")
        client_id, secret = _decoded(client_id), _decoded(secret)
    except (binascii.Error, ValueError) as error:
        raise CredentialsRefused("invalid_client", "The Authorization header is no HTTP Basic.") from error
    if not (client_id and colon and secret):
        raise CredentialsRefused("invalid_client", "The client has to sign in with its id and secret.")
    return Credentials(client_id, secret, "client_secret_basic")


def _decoded(half: str) -> str:
    return unquote_to_bytes(half.replace("+", " ")).decode() if "%" in half or "+" in half else half


def _printable(text: str) -> str:
    """At most 40 characters that RFC 6749 allows in a description."""
    return "".join(char for char in text[:40] if char.isascii() and char.isprintable() and char not in '"\\')
