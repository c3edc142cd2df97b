"""The token endpoint: OAuth 2.0 `client_credentials` (RFC 6749 section 4.4) by Authlib's framework-neutral server.

Authlib dispatches to the grant, runs its steps and renders RFC 6749's errors. What it is lenient in is ours: how
clients sign in (`clients.py`), repeated parameters, scopes, and what a description may hold. It is synchronous and
takes well under a millisecond; the edge reads the credentials, loads the client, and calls `TokenEndpoint.answer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oauth2 import AuthorizationServer, OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, InvalidScopeError, UnsupportedGrantTypeError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from app.tokens import assertion, dpop
from app.tokens.access import LIFE_S, mint_access_token
from app.tokens.approval import DETAIL_TYPE
from app.tokens.clients import METHODS, SCOPES, Client, CredentialsRefused, Form
from app.tokens.keys import KeyRing

CHALLENGE = ("WWW-Authenticate", 'Basic realm="countersign", charset="UTF-8"')


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back: a JSON body, `Cache-Control: no-store` and, for 401, the challenge among the headers."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: Mapping[str, Any]


class TokenEndpoint:
    """`POST /oauth2/token`. Built once; each call is judged by its arguments alone."""

    def __init__(self, ring: KeyRing, issuer: str) -> None:
        self._server = _Server(ring, issuer)

    def answer(
        self, form: Form, proved: Client | CredentialsRefused | None, now: datetime, jkt: str | None = None
    ) -> Answer:
        """The answer to a form, given the client that proved who it is, or why there is none (null: it is unknown, or
        proved nothing); `jkt`: the key that the token is bound to.
        """
        answer: Answer = self._server.create_token_response(_Call(form, proved, now, jkt))
        return answer


def refusal(error: CredentialsRefused | None) -> Answer:
    """The answer to a client of `/oauth2/*` that did not sign in; `None`: it is unknown or its secret is wrong."""
    return _rendered(*_as_oauth_error(error)())


def proof_refused(error: str, nonce: str) -> Answer:
    """The answer to a DPoP proof that does not count; the nonce is good for the next."""
    description = "Send one DPoP proof for this address, made now; with this nonce if your clock is not right."
    return Answer(400, (("DPoP-Nonce", nonce),), {"error": error, "error_description": description})


def metadata(issuer: str) -> dict[str, Any]:
    """The RFC 8414 document of `/.well-known/oauth-authorization-server`."""
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth2/token",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "service_documentation": f"{issuer}/openapi.json",
        "scopes_supported": sorted(SCOPES),
        "response_types_supported": [],  # required, though there is no authorization endpoint that would have any
        "grant_types_supported": [ClientCredentialsGrant.GRANT_TYPE],
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": sorted(assertion.ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": ["Bearer", "DPoP", *METHODS],
        "introspection_endpoint_auth_signing_alg_values_supported": sorted(assertion.ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": sorted(assertion.ALGORITHMS),
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "authorization_details_types_supported": [DETAIL_TYPE],
    }


@dataclass(frozen=True, slots=True)
class _Call:
    form: Form
    proved: Client | CredentialsRefused | None
    now: datetime
    jkt: str | None


class _Request(OAuth2Request):  # type: ignore[misc] # Authlib ships no types
    """A call in Authlib's terms."""

    def __init__(self, call: _Call) -> None:
        # Authlib asks whether this URL is safe; our settings have judged the base URL, so it gets one that is.
        super().__init__("POST", "https://localhost/oauth2/token")
        self.call = call
        self.payload = BasicOAuth2Payload({name: value for name, value in call.form if value})


class _UnsupportedGrantType(UnsupportedGrantTypeError):  # type: ignore[misc] # Authlib ships no types
    """Told in words, and a missing parameter under the code RFC 6749 has for that."""

    description = "The only grant_type here is client_credentials."

    def __init__(self, grant_type: str | None) -> None:
        super().__init__(grant_type)
        if grant_type is None:
            self.error = InvalidRequestError.error


class _ClientRefused(InvalidClientError):  # type: ignore[misc] # Authlib ships no types
    """401 with the challenge that RFC 7617 asks for; Authlib's has no realm."""

    def __init__(self, description: str) -> None:
        super().__init__(description, status_code=401)

    def get_headers(self) -> list[tuple[str, str]]:
        return [*OAuth2Error.get_headers(self), CHALLENGE]


class _Grant(ClientCredentialsGrant):  # type: ignore[misc] # Authlib ships no types
    """The grant, with our scopes and our token."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_requested_scope(self) -> None:
        asked, client = self.request.payload.scope, self.request.client
        scopes = client.scopes if asked is None else frozenset(asked.split(" "))
        if not scopes or not scopes <= client.scopes & SCOPES:
            raise InvalidScopeError("A scope was asked for that this client does not have.")
        self.request.scopes = scopes

    def generate_token(self, **_: Any) -> dict[str, Any]:
        kind = "Bearer" if self.request.call.jkt is None else "DPoP"
        return {"token_type": kind, "expires_in": LIFE_S, **self.server.mint(self.request)}


class _Server(AuthorizationServer):  # type: ignore[misc] # Authlib ships no types
    """Authlib's server over what a call brings with it: it stores nothing and looks nothing up."""

    def __init__(self, ring: KeyRing, issuer: str) -> None:
        super().__init__()
        self._ring, self._issuer = ring, issuer
        self.register_grant(_Grant)

    def create_oauth2_request(self, request: _Call) -> _Request:
        return _Request(request)

    def get_token_grant(self, request: _Request) -> _Grant:
        if not _Grant.check_token_endpoint(request):
            raise _UnsupportedGrantType(request.payload.grant_type)
        return _Grant(request, self)

    def authenticate_client(self, request: _Request, methods: Any, endpoint: str = "token") -> _OAuthClient:
        del methods, endpoint  # every method is every client's
        proved = request.call.proved
        if proved is None or isinstance(proved, CredentialsRefused):
            raise _as_oauth_error(proved)
        return _OAuthClient(proved)

    def mint(self, request: _Request) -> dict[str, str]:
        call, client = request.call, request.client.client
        token = mint_access_token(self._ring, self._issuer, client, request.scopes, call.now, call.jkt)
        return {"access_token": token, "scope": " ".join(sorted(request.scopes))}

    def save_token(self, token: Any, request: Any) -> None:
        """Access tokens are not stored: ten minutes, and the client is read at each use."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def handle_response(self, status: int, body: dict[str, Any], headers: list[tuple[str, str]]) -> Answer:
        return _rendered(status, body, headers)


class _OAuthClient:
    """A client that has signed in, as Authlib asks for one."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.scopes = client.scopes

    def check_grant_type(self, grant_type: str) -> bool:
        return bool(grant_type == ClientCredentialsGrant.GRANT_TYPE)


def _as_oauth_error(error: CredentialsRefused | None) -> OAuth2Error:
    if error is None:
        return _ClientRefused("The client is unknown, or did not prove who it is.")
    return InvalidRequestError(str(error)) if error.error == "invalid_request" else _ClientRefused(str(error))


def _rendered(status: int, body: dict[str, Any], headers: list[tuple[str, str]]) -> Answer:
    return Answer(status, tuple(headers), body)
