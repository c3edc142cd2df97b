"""Hostile tokens: functions that turn an honest token into one that must be refused, a name each."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from app.tokens import keysets
from app.tokens.access import api_audience
from app.tokens.keys import KeyRing
from tests.tokens import forge
from tests.tokens.conftest import AUDIENCE, ISSUER, NOW

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
Hostile = Callable[[KeyRing, str], str]


def parts(token: str) -> list[str]:
    return token.split(".")


def claims_of(ring: KeyRing, token: str) -> dict[str, Any]:
    return dict(json.loads(forge.decode(parts(token)[1])))


def header_of(ring: KeyRing) -> dict[str, Any]:
    return {"alg": "ES256", "kid": ring.current.kid, "typ": "at+jwt"}


def text(change: Callable[[str], str]) -> Hostile:
    """The good token, its text changed."""

    def make(ring: KeyRing, token: str) -> str:
        return change(token)

    return make


def header(**changes: Any) -> Hostile:
    """Properly signed by our own key, with another header."""
    return lambda ring, token: forge.token(
        ring,
        claims_of(ring, token),
        {name: value for name, value in (header_of(ring) | changes).items() if value is not ...},
    )


def claim(**changes: Any) -> Hostile:
    """Properly signed by our own key under our own header, with other claims."""
    return lambda ring, token: forge.token(
        ring, {name: value for name, value in (claims_of(ring, token) | changes).items() if value is not ...}
    )


def detail(**changes: Any) -> Hostile:
    def make(ring: KeyRing, token: str) -> str:
        changed = claims_of(ring, token)["authorization_details"][0] | changes
        kept = {name: value for name, value in changed.items() if value is not ...}
        return claim(authorization_details=[kept])(ring, token)

    return make


def payload(change: Callable[[bytes], bytes]) -> Hostile:
    return lambda ring, token: forge.token(ring, change(json.dumps(claims_of(ring, token)).encode()))


def unsigned(alg: str) -> Hostile:
    def make(ring: KeyRing, token: str) -> str:
        head = forge.encode(json.dumps(header_of(ring) | {"alg": alg}).encode())
        return f"{head}.{parts(token)[1]}."

    return make


def hmac_with_public_key(ring: KeyRing, token: str) -> str:
    head = forge.encode(json.dumps(header_of(ring) | {"alg": "HS256"}).encode())
    signed = f"{head}.{parts(token)[1]}"
    public = json.dumps(ring.current.public()).encode()
    return signed + "." + forge.encode(hmac.new(public, signed.encode(), hashlib.sha256).digest())


def foreign_key(*, embedded: bool) -> Hostile:
    def make(ring: KeyRing, token: str) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        numbers = key.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": "P-256"} | {
            name: forge.encode(getattr(numbers, name).to_bytes(32, "big")) for name in "xy"
        }
        head = header_of(ring) | ({"jwk": jwk} if embedded else {})
        segment = forge.encode(json.dumps(head).encode()) if embedded else ring.current.header
        signed = f"{segment}.{parts(token)[1]}"
        return signed + "." + forge.encode(forge.signature(key, signed))

    return make


def signature(value: bytes) -> Hostile:
    return text(lambda token: ".".join([*parts(token)[:2], forge.encode(value)]))


def non_canonical_signature(ring: KeyRing, token: str) -> str:
    # 86 characters hold 516 bits, the last four of which mean nothing.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


def der_signature(ring: KeyRing, token: str) -> str:
    signed = token.rpartition(".")[0]
    return signed + "." + forge.encode(forge.private_key(ring).sign(signed.encode(), ec.ECDSA(SHA256())))


def key_of_another_deployment(ring: KeyRing, token: str) -> str:
    other = KeyRing.from_values(forge_pem(), {})
    return forge.token(other, claims_of(ring, token))


def forge_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return keysets.pem(key).decode()


def repeated(name: bytes) -> Hostile:
    return payload(lambda data: b'{"' + name + b'":"x",' + data[1:])


HOSTILE: dict[str, Hostile] = {
    "nothing": text(lambda token: token[:0]),
    "a word": text(lambda token: token[:5]),
    "dots only": text(lambda token: "." * token.count(".")),
    "two parts": text(lambda token: ".".join(parts(token)[:2])),
    "four parts": text(lambda token: token + ".x"),
    "five parts, as of a JWE": text(lambda token: ".".join([parts(token)[0], *["AAAA"] * 4])),
    "JSON serialisation": text(
        lambda token: json.dumps(dict(zip(["protected", "payload", "signature"], parts(token), strict=True)))
    ),
    "a space before": text(lambda token: " " + token),
    "a newline after": text(lambda token: token + "\n"),
    "a newline inside": text(lambda token: token.replace(".", ".\n", 1)),
    "a NUL after": text(lambda token: token + "\0"),
    "padding": text(lambda token: token + "=="),
    "the other base64 alphabet": text(lambda token: token.replace(".", "./", 1)),
    "not ASCII": text(lambda token: token[:-1] + "é"),
    "full-width letters": text(lambda token: token[:-1] + "Ａ"),
    "a lone surrogate": text(lambda token: token + "\ud800"),
    "Bearer before": text(lambda token: "Bearer " + token),
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg ES256 without a signature": unsigned("ES256"),
    "our header without a signature": text(lambda token: ".".join([*parts(token)[:2], ""])),
    "HS256 with the public key": hmac_with_public_key,
    "alg RS256": header(alg="RS256"),
    "alg ES384": header(alg="ES384"),
    "alg es256": header(alg="es256"),
    "alg a list": header(alg=["ES256"]),
    "alg missing": header(alg=...),
    "typ JWT": header(typ="JWT"),
    "typ missing": header(typ=...),
    "typ dpop+jwt": header(typ="dpop+jwt"),
    "typ logout+jwt": header(typ="logout+jwt"),
    "typ application/at+jwt": header(typ="application/at+jwt"),
    "kid missing": header(kid=...),
    "kid unknown": header(kid="x" * 43),
    "kid a path": header(kid="../../etc/passwd"),
    "kid SQL": header(kid="' OR 1=1 --"),
    "kid a number": header(kid=1),
    "jwk embedded and used": foreign_key(embedded=True),
    "jku": header(jku="https://evil.example/jwks.json"),
    "x5u": header(x5u="https://evil.example/cert.pem"),
    "x5c": header(x5c=["AAAA"]),
    "crit": header(crit=["exp"], exp=1),
    "b64 false": header(b64=False, crit=["b64"]),
    "zip": header(zip="DEF"),
    "cty": header(cty="JWT"),
    "the header in another order": lambda ring, token: forge.token(
        ring, claims_of(ring, token), dict(reversed(header_of(ring).items()))
    ),
    "alg twice in the header": lambda ring, token: forge.token(
        ring, claims_of(ring, token), b'{"alg":"none",' + json.dumps(header_of(ring)).encode()[1:]
    ),
    "header no JSON": lambda ring, token: forge.token(ring, claims_of(ring, token), b"\xff\xfe"),
    "header a list": lambda ring, token: forge.token(ring, claims_of(ring, token), b"[]"),
    "header nested deep": lambda ring, token: forge.token(
        ring, claims_of(ring, token), b'{"a":' * 60 + b"1" + b"}" * 60
    ),
    "signed by another key under our header": foreign_key(embedded=False),
    "signed by another deployment": key_of_another_deployment,
    "a signature of zeros": signature(bytes(64)),
    "a signature r = s = order": signature(P256_ORDER.to_bytes(32, "big") * 2),
    "a signature of ones": signature(b"\xff" * 64),
    "a short signature": signature(b"\x01" * 63),
    "a long signature": signature(b"\x01" * 65),
    "a DER signature": der_signature,
    "a signature not canonical": non_canonical_signature,
    "the payload of another token": lambda ring, token: ".".join(
        [parts(token)[0], parts(claim(sub="e9")(ring, token))[1], parts(token)[2]]
    ),
    "a payload of a length no base64 has": text(lambda token: ".".join([parts(token)[0], "AAAAA", parts(token)[2]])),
    "payload empty": payload(lambda data: data[:0] + b""),
    "payload no JSON": payload(lambda data: data[:-1]),
    "payload a list": payload(lambda data: b"[" + data + b"]"),
    "payload a string": payload(lambda data: data[:0] + b'"x"'),
    "payload null": payload(lambda data: data[:0] + b"null"),
    "payload not UTF-8": payload(lambda data: data.replace(b"e1234", b"\xff")),
    "payload UTF-16": payload(lambda data: data.decode().encode("utf-16")),
    "payload with a BOM": payload(lambda data: b"\xef\xbb\xbf" + data),
    "payload with text after": payload(lambda data: data + b"{}"),
    "payload nested 3,000 deep": payload(lambda data: data[:0] + b'{"a":' + b"[" * 3000),
    "payload of 20 objects": payload(lambda data: data[:0] + b'{"a":[' + b"{}," * 20 + b"1]}"),
    "sub twice": repeated(b"sub"),
    "sub twice, once escaped": repeated(b"s\\u0075b"),
    "aud twice": repeated(b"aud"),
    "a key twice in a detail": payload(lambda data: data.replace(b'"account"', b'"account":"exl_support","account"')),
    "over 8 KiB": claim(sub="e" * 5600),
    "huge": text(lambda token: token + "A" * 5_000_000),
    "iss of another": claim(iss="https://evil.example"),
    "iss with a slash": claim(iss=ISSUER + "/"),
    "iss missing": claim(iss=...),
    "iss a list": claim(iss=[ISSUER]),
    "aud of another": claim(aud="https://gateway.vendor.example/other"),
    "aud a list": claim(aud=[AUDIENCE]),
    "aud missing": claim(aud=...),
    "aud of the API": claim(aud=api_audience(ISSUER)),
    "aud in capitals": claim(aud=AUDIENCE.upper()),
    "sub missing": claim(sub=...),
    "sub empty": claim(sub=""),
    "sub a number": claim(sub=1234),
    "sub an object": claim(sub={"id": "e1234"}),
    "client_id missing": claim(client_id=...),
    "jti missing": claim(jti=...),
    "jti null": claim(jti=None),
    "a claim too many": claim(scope="admin"),
    "act": claim(act={"sub": "e9"}),
    "exp missing": claim(exp=...),
    "exp past": claim(exp=int(NOW.timestamp())),
    "exp a float": claim(exp=int(NOW.timestamp()) + 60.5),
    "exp 1e400": payload(lambda data: data.replace(b'"exp": 1', b'"exp": 1e400, "x": 1')),
    "exp Infinity": payload(lambda data: data.replace(b'"exp": ', b'"exp": Infinity, "x": ')),
    "exp NaN": claim(exp=float("nan")),
    "exp true": claim(exp=True),
    "exp text": claim(exp="4102444800"),
    "exp of 5,000 digits": payload(lambda data: data.replace(b'"exp": 1', b'"exp": ' + b"1" * 5000)),
    "exp above 2^53": claim(exp=1 << 53),
    "exp an hour too late": claim(exp=int(NOW.timestamp()) + 3601),
    "nbf in a second": claim(nbf=int(NOW.timestamp()) + 1),
    "nbf missing": claim(nbf=...),
    "nbf negative": claim(nbf=-1),
    "nbf text": claim(nbf="0"),
    "nbf long ago": claim(nbf=0),
    "iat missing": claim(iat=...),
    "iat long ago": claim(iat=0),
    "iat false": claim(iat=False),
    "cnf null": claim(cnf=None),
    "cnf empty": claim(cnf={}),
    "cnf of a key": claim(cnf={"jwk": {"kty": "EC"}}),
    "cnf with more": claim(cnf={"jkt": "A" * 43, "x5t#S256": "A" * 43}),
    "cnf jkt short": claim(cnf={"jkt": "A" * 42}),
    "cnf jkt a number": claim(cnf={"jkt": 1}),
    "details missing": claim(authorization_details=...),
    "details empty": claim(authorization_details=[]),
    "details an object": claim(authorization_details={}),
    "details of text": claim(authorization_details=["support_access"]),
    "two details": lambda ring, token: claim(authorization_details=claims_of(ring, token)["authorization_details"] * 2)(
        ring, token
    ),
    "a detail of another type": detail(type="payment"),
    "a detail without account": detail(account=...),
    "a detail with more": detail(actions=["write"]),
    "roles text": detail(roles="Administrator"),
    "roles of numbers": detail(roles=[1]),
    "roles null": detail(roles=None),
    "grant null": detail(grant=None),
    "case a number": detail(case=6543210),
}


PEM = forge_pem()
