"""API clients on the wire, by the names of the world file. What may be said is judged by the rules of that file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from app.actions.clientadmin import ClientView
from app.api.admin_schemas import Url
from app.api.schemas import Line, Name, Strict

Scopes = Annotated[list[Name], Field(min_length=1, max_length=20)]
Institutions = Annotated[list[Name], Field(min_length=1, max_length=1000, description="codes, or `*` alone for all")]
Audiences = Annotated[list[Name], Field(max_length=1000, description="gateway audiences that it deals with")]
ClientName = Annotated[str, Field(min_length=1, max_length=200, description="the name it signs in with"), Line]


class KeySet(Strict):
    """Public keys that sign (RFC 7517)."""

    keys: list[dict[str, Any]] = Field(min_length=1, max_length=20)


class NewClient(Strict):
    """A new client. With neither `jwks` nor `jwks_uri` it signs in with a secret, which is made here."""

    id: ClientName
    scopes: Scopes
    institutions: Institutions
    audiences: Audiences = Field(default_factory=list)
    jwks: KeySet | None = None
    jwks_uri: Url | None = None


class ClientChange(Strict):
    """A merge patch (RFC 7396): other keys. What a client may do is accepted as it is, and nothing else."""

    jwks: KeySet | None = None
    jwks_uri: Url | None = None
    # Left out is not null, so none has a default that could be sent.
    scopes: Scopes = Field(default_factory=list)
    institutions: Institutions = Field(default_factory=list)
    audiences: Audiences = Field(default_factory=list)


class ApiClient(BaseModel):
    """A client. `actor` is what trails call it; `secrets`: how many count, two while one is rotated out."""

    id: str
    actor: str
    scopes: list[str]
    institutions: list[str]
    audiences: list[str]
    secrets: int
    jwks: dict[str, Any] | None
    jwks_uri: str | None


class NewClientAnswer(ApiClient):
    """A client that was created just now, with its secret, shown this once; null where it has keys."""

    secret: str | None


class ClientSecret(BaseModel):
    """A new secret, shown this once."""

    secret: str


class ApiClients(BaseModel):
    """A page of a list, by name."""

    items: list[ApiClient]
    next_cursor: str | None


def client(view: ClientView) -> ApiClient:
    """A client as it goes out: never a secret."""
    row = view.row
    return ApiClient(
        id=row.client_id,
        actor=row.id,
        scopes=list(row.scopes),
        institutions=list(row.institutions),
        audiences=list(row.audiences),
        secrets=len(row.secrets),
        jwks=None if row.jwks is None else dict(row.jwks),
        jwks_uri=row.jwks_uri,
    )


def new_client(view: ClientView) -> NewClientAnswer:
    """A client that was created just now."""
    return NewClientAnswer(**client(view).model_dump(), secret=view.secret)
