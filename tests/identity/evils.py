"""What a provider can do wrong, one lie a row: the *Sign-in* table of the threat model, the `oidcc-client-test-*` cases
of the OpenID relying-party suite (named where one is meant), and what else comes to mind. No row may sign anybody in.

The rows expect a sign-in with `max_age`, `acr_values` and the required claim `tid`, as `test_sign_in.py` makes it.
"""

from __future__ import annotations

import json
from typing import Final

from starlette.responses import JSONResponse, Response

from tests.identity.lies import (
    HUGE,
    OTHER,
    as_algorithm,
    by,
    bytes_of,
    each_key,
    embedded,
    headed,
    hmac_signed,
    instead,
    moved,
    moved_with_body,
    named,
    no_kid,
    page,
    plus,
    public_pem,
    raw,
    said,
    tampered,
    token,
    twice,
    unsaid,
    unsigned,
    weak,
    weak_key,
    without,
    zipped,
)
from tests.identity.malicious_provider import Evil, b64, key

DOWN: Final = "provider-unavailable"

CLAIMS: Final[dict[str, Evil]] = {
    "iss of another (oidcc-client-test-invalid-iss)": said("iss", iss=OTHER),
    "iss missing": unsaid("iss", "iss"),
    "iss as a list": Evil("id-token-iss", claims=lambda made: made.claims.update(iss=[made.claims["iss"]])),
    "iss with a slash more": Evil("id-token-iss", claims=lambda made: made.claims.update(iss=made.claims["iss"] + "/")),
    "sub missing (oidcc-client-test-missing-sub)": unsaid("sub", "sub"),
    "sub empty": said("sub", sub=""),
    "sub null": said("sub", sub=None),
    "sub a number": said("sub", sub=7),
    "sub too long": said("sub", sub="s" * 256),
    "sub not ASCII": said("sub", sub="sub–1"),
    "sub with a newline": said("sub", sub="sub-1\n"),
    "aud missing (oidcc-client-test-missing-aud)": unsaid("aud", "aud"),
    "aud of another (oidcc-client-test-invalid-aud)": said("aud", aud="another"),
    "aud of another though azp is ours": said("aud", aud="another", azp="countersign"),
    "aud with another beside us": said("aud", aud=["countersign", "another"]),
    "aud with another beside us and azp ours": said("aud", aud=["countersign", "another"], azp="countersign"),
    "aud twice us": said("aud", aud=["countersign", "countersign"]),
    "aud empty": said("aud", aud=[]),
    "aud nested": said("aud", aud=[["countersign"]]),
    "azp of another": said("azp", azp="another"),
    "azp null": said("azp", azp=None),
    "nonce missing": unsaid("nonce", "nonce"),
    "nonce of another sign-in (oidcc-client-test-nonce-invalid)": said("nonce", nonce="n" * 43),
    "nonce empty": said("nonce", nonce=""),
    "nonce a list": said("nonce", nonce=[]),
    "iat missing (oidcc-client-test-missing-iat)": unsaid("iat", "iat"),
    "iat in the future": said("iat", iat=plus(60), exp=plus(600)),
    "iat old": said("iat", iat=plus(-700), auth_time=plus(-700)),
    "iat text": said("iat", iat="1790000000"),
    "iat decimal": said("iat", iat=1.5),
    "iat true": said("iat", iat=True),
    "iat negative": said("iat", iat=-1),
    "exp missing": unsaid("exp", "exp"),
    "exp past": said("exp", iat=plus(-120), exp=plus(-60), auth_time=plus(-120)),
    "exp before iat": said("exp", exp=plus(-1)),
    "exp text": said("exp", exp="4000000000"),
    "exp beyond all time": said("exp", exp=10**30),
    "nbf in the future": said("nbf", nbf=plus(60)),
    "nbf text": said("nbf", nbf="now"),
    "auth_time missing though max_age was sent": unsaid("auth_time", "auth-time"),
    "auth_time older than max_age": said("auth-time", auth_time=plus(-180)),
    "auth_time after iat": said("auth-time", auth_time=plus(60)),
    "auth_time text": said("auth-time", auth_time="now"),
    "acr missing though asked for": unsaid("acr", "acr"),
    "acr of a weaker sign-in": said("acr", acr="password"),
    "acr a list": said("acr", acr=["mfa"]),
    "at_hash of another token (oidcc-client-test-invalid-at-hash)": said("at-hash", at_hash=b64(b"x" * 16)),
    "at_hash null": said("at-hash", at_hash=None),
    "c_hash of another code (oidcc-client-test-invalid-c-hash)": said("c-hash", c_hash=b64(b"x" * 16)),
    "required claim missing": unsaid("tid", "required-claims"),
    "required claim of another tenant": said("required-claims", tid="t-2"),
    "required claim as a list": said("required-claims", tid=["t-1"]),
}

TOKENS: Final[dict[str, Evil]] = {
    "alg none (oidcc-client-test-idtoken-sig-none)": token("alg", unsigned("none")),
    "alg None": token("alg", unsigned("None")),
    "no signature": token("signature", unsigned("ES256")),
    "HS256 with the client secret": token(
        "alg", hmac_signed(lambda made: made.provider.clients["countersign"].encode())
    ),
    "HS256 with the public key": token("alg", hmac_signed(public_pem)),
    "RS512 at sign-in": token("alg", as_algorithm("RS512")),
    "alg missing": token("alg", lambda made: made.token(header=b'{"kid":"k1"}', alg="ES256")),
    "alg a list": token("alg", lambda made: made.token(header=b'{"kid":"k1","alg":["ES256"]}', alg="ES256")),
    "alg of another key type": token("key-unknown", as_algorithm("PS256")),
    "signature of another key, header right (oidcc-client-test-invalid-sig-es256)": token(
        "signature", by("ES256", "k2")
    ),
    "payload changed after signing": token("signature", tampered),
    "typ of a logout token": headed("header", typ="logout+jwt"),
    "typ of an access token": headed("header", typ="at+jwt"),
    "typ null": headed("header", typ=None),
    "jwk in the header": Evil("id-token-header", token=embedded),
    "jku in the header": headed("header", jku=f"{OTHER}/jwks"),
    "x5u in the header": headed("header", x5u=f"{OTHER}/cert"),
    "x5c in the header": headed("header", x5c=["MIIB"]),
    "crit in the header": headed("header", crit=["exp"], exp=1),
    "b64 in the header": headed("header", b64=False),
    "nested token": headed("header", cty="JWT"),
    "kid unknown": headed("key-unknown", kid="k9"),
    "kid a number": headed("header", kid=1),
    "kid null": headed("header", kid=None),
    "kid a path": headed("key-unknown", kid="../../etc/passwd"),
    "kid endless": headed("header", kid="k" * 300),
    "header member twice": token(
        "malformed", lambda made: made.token(header=b'{"alg":"none","alg":"ES256","kid":"k1"}', alg="ES256")
    ),
    "claim twice": token("malformed", raw(lambda claims: claims[:-1] + b', "sub": "root"}')),
    "claim twice, deep": token("malformed", raw(lambda claims: claims[:-1] + b', "x": [{"a": 1, "a": 2}]}')),
    "payload a list": token("malformed", raw(lambda claims: b"[" + claims + b"]")),
    "payload no JSON": token("malformed", raw(lambda claims: claims + b"!")),
    "payload with NaN": token("malformed", raw(lambda claims: claims[:-1] + b', "x": NaN}')),
    "payload with half a character": token("malformed", raw(lambda claims: claims[:-1] + b', "x": "\\ud800"}')),
    "payload not UTF-8": token("malformed", raw(lambda claims: claims[:-1] + b', "x": "\xff"}')),
    "payload bottomless": token("malformed", raw(lambda _: b"[" * 30_000)),
    "number bottomless": token("malformed", raw(lambda claims: claims[:-1] + b', "x": ' + b"9" * 5000 + b"}")),
    "token endless": token("malformed", raw(lambda claims: claims[:-1] + b', "x": "' + b"x" * 70_000 + b'"}')),
    "token of five parts": token("malformed", lambda made: made.token() + ".x.y"),
    "token of two parts": token("malformed", lambda made: made.token().rpartition(".")[0]),
    "token padded": token("malformed", lambda made: made.token() + "="),
    "token with a space": token("malformed", lambda made: " " + made.token()),
    "token with a newline": token("malformed", lambda made: made.token() + "\n"),
}

KEYS: Final[dict[str, Evil]] = {
    "kid absent, several keys (oidcc-client-test-kid-absent-multiple-jwks)": Evil(
        "id-token-key-ambiguous", token=no_kid, jwks=named("ES256", "ES256")
    ),
    "one kid for two keys": Evil(
        "id-token-key-ambiguous",
        jwks=lambda honest: {"keys": [*honest["keys"], {**key("ES256", "k2").as_dict(private=False), "kid": "k1"}]},
    ),
    "key symmetric": Evil(
        "id-token-alg",
        token=hmac_signed(lambda _: b"k" * 32),
        jwks=lambda _: {"keys": [{"kty": "oct", "k": b64(b"k" * 32), "kid": "k1"}]},
    ),
    "key with its private half": Evil("id-token-key-unknown", jwks=lambda _: {"keys": [key().as_dict(private=True)]}),
    "key of 1024 bits": Evil("id-token-key-unfit", token=weak, jwks=weak_key),
    "key for encryption": Evil("id-token-key-unknown", jwks=each_key(use="enc")),
    "key for another algorithm": Evil("id-token-key-unknown", jwks=each_key(alg="ES384")),
    "key for signing only": Evil("id-token-key-unknown", jwks=each_key(key_ops=["sign"])),
    "key of another curve": Evil("id-token-key-unknown", jwks=each_key(crv="P-384")),
    "key not on its curve": Evil("id-token-key-unfit", jwks=each_key(x=b64(b"\1" * 32))),
    "key no base64": Evil("id-token-key-unfit", jwks=each_key(x="!")),
    "key of numbers": Evil("id-token-key-unknown", jwks=each_key(x=1)),
    "keys without one": Evil("id-token-key-unknown", jwks=instead(keys=[])),
    "keys missing": Evil("keys-malformed", jwks=without("keys")),
    "keys of text": Evil("keys-malformed", jwks=instead(keys=["k1"])),
    "keys without end": Evil("keys-malformed", jwks=lambda honest: {"keys": honest["keys"] * 101}),
    "keys as a list": Evil("keys-malformed", jwks=lambda honest: honest["keys"]),
    "keys member twice": Evil(DOWN, jwks=twice),
    "keys moved": Evil(DOWN, jwks=moved),
    "keys moved, with a body": Evil(DOWN, jwks=moved_with_body),
    "keys too large": Evil(DOWN, jwks=bytes_of(HUGE)),
    "keys zipped": Evil(DOWN, jwks=zipped),
    "keys as a page": Evil(DOWN, jwks=page()),
    "keys broken": Evil(DOWN, jwks=page(500)),
    "keys slow": Evil(DOWN, slow="/jwks"),
}

DISCOVERY: Final[dict[str, Evil]] = {
    "issuer of another (oidcc-client-test-discovery-issuer-mismatch)": Evil(
        "provider-issuer", discovery=instead(issuer=OTHER)
    ),
    "issuer missing": Evil("provider-issuer", discovery=without("issuer")),
    "issuer with a slash more": Evil(
        "provider-issuer", discovery=lambda honest: {**honest, "issuer": honest["issuer"] + "/"}
    ),
    "discovery a list": Evil("provider-issuer", discovery=lambda honest: JSONResponse([honest])),
    "keys in a file": Evil("provider-metadata", discovery=instead(jwks_uri="file:///etc/passwd")),
    "keys nowhere": Evil("provider-metadata", discovery=without("jwks_uri")),
    "sign-in by script": Evil("provider-metadata", discovery=instead(authorization_endpoint="javascript:alert(1)")),
    "sign-in at no address": Evil("provider-metadata", discovery=instead(authorization_endpoint="http://[::1")),
    "token endpoint with a user": Evil(
        "provider-metadata", discovery=instead(token_endpoint="https://a:b@evil.example/")
    ),
    "token endpoint a number": Evil("provider-metadata", discovery=instead(token_endpoint=1)),
    "no client secret wanted": Evil(
        "provider-metadata", discovery=instead(token_endpoint_auth_methods_supported=["none"])
    ),
    "client secret by text": Evil(
        "provider-metadata", discovery=instead(token_endpoint_auth_methods_supported="client_secret_basic")
    ),
    "discovery member twice": Evil(DOWN, discovery=twice),
    "discovery moved": Evil(DOWN, discovery=moved),
    "discovery moved, with a body": Evil(DOWN, discovery=moved_with_body),
    "discovery too large": Evil(DOWN, discovery=bytes_of(HUGE)),
    "discovery zipped": Evil(DOWN, discovery=zipped),
    "discovery as a page": Evil(DOWN, discovery=page()),
    "discovery as text": Evil(DOWN, discovery=lambda honest: Response(json.dumps(honest), media_type="text/plain")),
    "discovery no JSON": Evil(DOWN, discovery=bytes_of(b"{")),
    "discovery missing": Evil(DOWN, discovery=lambda honest: JSONResponse(honest, 404)),
    "discovery slow": Evil(DOWN, slow="/.well-known/openid-configuration"),
}

ANSWERS: Final[dict[str, Evil]] = {
    "no ID token": Evil("id-token-missing", answer=without("id_token")),
    "ID token null": Evil("id-token-missing", answer=instead(id_token=None)),
    "ID token empty": Evil("id-token-missing", answer=instead(id_token="")),
    "ID token an object": Evil("id-token-missing", answer=instead(id_token={"sub": "root"})),
    "code refused": Evil("code-refused", answer=lambda _: JSONResponse({"error": "invalid_grant"}, 400)),
    "error beside a token": Evil("code-refused", answer=instead(error="server_error")),
    "error null beside a token": Evil("code-refused", answer=instead(error=None)),
    "life of the token no number": Evil("id-token-missing", answer=lambda _: {"expires_in": [], "expires_at": {}}),
    "answer a list": Evil(DOWN, answer=lambda honest: JSONResponse([honest])),
    "answer with a member twice": Evil(DOWN, answer=twice),
    "answer moved": Evil(DOWN, answer=moved),
    "answer moved with its body": Evil(
        DOWN, answer=lambda honest: JSONResponse(honest, 307, {"Location": "/elsewhere"})
    ),
    "answer too large": Evil(DOWN, answer=bytes_of(HUGE)),
    "answer zipped": Evil(DOWN, answer=zipped),
    "answer as a page": Evil(DOWN, answer=page()),
    "answer broken, with a token": Evil(DOWN, answer=lambda honest: JSONResponse(honest, 500)),
    "answer forbidden, with a token": Evil(DOWN, answer=lambda honest: JSONResponse(honest, 403)),
    "answer slow": Evil(DOWN, slow="/token"),
}

CALLBACKS: Final[dict[str, Evil]] = {
    "callback iss of another (RFC 9207)": Evil("callback-iss", callback=lambda back: back.update(iss=OTHER)),
    "callback iss missing though promised": Evil("callback-iss", callback=lambda back: back.pop("iss")),
    "callback iss of another though not promised": Evil(
        "callback-iss",
        discovery=without("authorization_response_iss_parameter_supported"),
        callback=lambda back: back.update(iss=OTHER),
    ),
    "callback iss twice": Evil("callback-malformed", callback=lambda back: back.update(iss=[back["iss"], OTHER])),
    "callback state of another": Evil("callback-state", callback=lambda back: back.update(state="s" * 43)),
    "callback state missing": Evil("callback-state", callback=lambda back: back.pop("state")),
    "callback code missing": Evil("callback-code", callback=lambda back: back.pop("code")),
    "callback code twice": Evil("callback-malformed", callback=lambda back: back.update(code=["a", back["code"]])),
    "callback code of nobody": Evil("code-refused", callback=lambda back: back.update(code="guessed")),
    "callback error beside a code": Evil(
        "provider-access-denied", callback=lambda back: back.update(error="access_denied")
    ),
    "callback error unheard of": Evil("provider-error", callback=lambda back: back.update(error="<script>")),
}

EVILS: Final[dict[str, Evil]] = {**CLAIMS, **TOKENS, **KEYS, **DISCOVERY, **ANSWERS, **CALLBACKS}
"""Name → lie."""
