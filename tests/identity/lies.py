"""What a lying provider says and signs, as functions from the honest answer to the lie (`evils.py` names them)."""

from __future__ import annotations

import gzip
import hmac
import json
import warnings
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from tests.identity.malicious_provider import Evil, Json, Made, b64, key

HUGE: Final = b'{"pad": "' + b"x" * (1 << 20) + b'"}'
OTHER: Final = "https://evil.example"


def said(problem: str, **claims: object) -> Evil:
    """Claims with other values; an offset such as `iat=plus(60)` is counted from now."""

    def change(made: Made) -> None:
        made.claims.update({name: value(made.now) if callable(value) else value for name, value in claims.items()})

    return Evil(f"id-token-{problem}", claims=change)


def unsaid(claim: str, problem: str) -> Evil:
    return Evil(f"id-token-{problem}", claims=lambda made: made.claims.pop(claim))


def plus(seconds: int) -> Callable[[int], int]:
    return lambda now: now + seconds


def headed(problem: str, **header: object) -> Evil:
    return Evil(f"id-token-{problem}", claims=lambda made: made.header.update(header))


def token(problem: str, make: Callable[[Made], str]) -> Evil:
    return Evil(f"id-token-{problem}", token=make)


def hmac_signed(secret: Callable[[Made], bytes]) -> Callable[[Made], str]:
    def make(made: Made) -> str:
        made.header["alg"] = "HS256"
        signed = f"{b64(json.dumps(made.header).encode())}.{b64(json.dumps(made.claims).encode())}"
        return f"{signed}.{b64(hmac.digest(secret(made), signed.encode(), 'sha256'))}"

    return make


def public_pem(made: Made) -> bytes:
    return made.key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[union-attr]  # never oct


def unsigned(alg: str) -> Callable[[Made], str]:
    def make(made: Made) -> str:
        made.header["alg"] = alg
        return f"{b64(json.dumps(made.header).encode())}.{b64(json.dumps(made.claims).encode())}."

    return make


def weak(made: Made) -> str:
    made.header["alg"] = "RS256"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.key = RSAKey.import_key(WEAK)
        return made.token()


WEAK: Final = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  # what must be refused


def weak_key(_: Json) -> Json:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {"keys": [{**RSAKey.import_key(WEAK.public_key()).as_dict(), "kid": "k1"}]}


def by(algorithm: str, kid: str = "k1") -> Callable[[Made], str]:
    """Signed by another key or algorithm than the header and key set say."""

    def make(made: Made) -> str:
        made.key = key(algorithm, kid)
        return made.token(alg=algorithm)

    return make


def as_algorithm(algorithm: str) -> Callable[[Made], str]:
    def make(made: Made) -> str:
        made.header["alg"] = algorithm
        made.key = key(algorithm)
        return made.token()

    return make


def raw(change: Callable[[bytes], bytes]) -> Callable[[Made], str]:
    return lambda made: made.token(payload=change(json.dumps(made.claims).encode()))


def tampered(made: Made) -> str:
    head, _, mark = made.token().split(".")
    return f"{head}.{b64(json.dumps({**made.claims, 'sub': 'root'}).encode())}.{mark}"


def each_key(**members: object) -> Callable[[Json], Json]:
    return lambda honest: {"keys": [{**one, **members} for one in honest["keys"]]}


def page(status: int = 200, body: Any = "<h1>Hello</h1>") -> Callable[[Json], Response]:
    return lambda _: HTMLResponse(body, status)


def moved(_: Json) -> Response:
    return RedirectResponse("/elsewhere", 302)


def moved_with_body(honest: Json) -> Response:
    return JSONResponse(honest, 302, {"Location": "/elsewhere"})


def bytes_of(body: bytes, **headers: str) -> Callable[[Json], Response]:
    return lambda _: Response(body, 200, headers, "application/json")


def zipped(honest: Json) -> Response:
    return Response(gzip.compress(json.dumps(honest).encode()), 200, {"Content-Encoding": "gzip"}, "application/json")


def twice(honest: Json) -> Response:
    body = json.dumps(honest)
    return Response(
        body.replace("{", '{"issuer": "x", "keys": [], "id_token": "x", ', 1), 200, None, "application/json"
    )


def without(name: str) -> Callable[[Json], Json]:
    return lambda honest: {member: value for member, value in honest.items() if member != name}


def instead(**members: object) -> Callable[[Json], Json]:
    return lambda honest: {**honest, **members}


def named(*algorithms: str) -> Callable[[Json], Json]:
    """Several keys, all of the same type."""
    return lambda _: {"keys": [key(name, kid).as_dict(private=False) for name, kid in _pairs(algorithms)]}


def _pairs(algorithms: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, f"k{number}") for number, name in enumerate(algorithms, 1)]


def no_kid(made: Made) -> str:
    del made.header["kid"]
    return made.token()


def embedded(made: Made) -> str:
    """The classic: the token brings the key that signed it."""
    made.key = key("ES256", "k2")
    made.header["jwk"] = made.key.as_dict(private=False)
    return made.token()
