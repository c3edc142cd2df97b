"""DPoP proofs: what counts, and some seventy that do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey

from app.tokens import dpop
from app.tokens.dpop import ProofRefused, judge, read_proof
from app.tokens.secrets import Secrets
from tests.tokens import forge
from tests.tokens.conftest import ISSUER, NOW
from tests.tokens.proofs import KEY, OTHER_KEY, key_of, proof, public, sign, unsigned

URL = ISSUER + "/oauth2/token"
SECRETS = Secrets(b"0123456789abcdef0123456789ABCDEF")


def held(text: str, *, token: str | None = None, now: Any = NOW) -> str:
    found = read_proof(text)
    judge(found, SECRETS, "POST", URL, now, token)
    return found.jkt


@pytest.mark.parametrize("algorithm", dpop.ALGORITHMS)
def test_a_proof_shows_the_thumbprint_of_its_key(algorithm: str) -> None:
    key = key_of(algorithm)
    assert held(proof(URL, NOW, key=key, algorithm=algorithm)) == key.thumbprint()


@pytest.mark.parametrize(
    "address",
    [
        URL + "?a=b",
        URL + "#x",
        "HTTPS://Countersign.EXAMPLE/oauth2/token",
        URL.replace(".example", ".example:443"),
    ],
)
def test_an_address_is_compared_without_query_in_its_normal_form(address: str) -> None:
    assert held(proof(address, NOW)) == KEY.thumbprint()


def test_a_proof_is_good_for_a_minute_either_way() -> None:
    for seconds in (-60, 60):
        assert held(proof(URL, NOW.replace(microsecond=0)), now=NOW.replace(microsecond=0) + timedelta(seconds=seconds))
    for seconds in (-61, 61):
        with pytest.raises(ProofRefused) as refused:
            held(proof(URL, NOW), now=NOW + timedelta(seconds=seconds))
        assert refused.value.error == "use_dpop_nonce"


def test_a_nonce_of_ours_stands_for_a_clock_that_is_wrong_and_for_a_minute() -> None:
    nonce = dpop.nonce(SECRETS, NOW)
    wrong = proof(URL, NOW - timedelta(days=3), nonce=nonce)
    assert held(wrong) == KEY.thumbprint()
    assert held(wrong, now=NOW + timedelta(seconds=29)) == KEY.thumbprint()
    for text, now in ((wrong, NOW + timedelta(seconds=60)), (proof(URL, NOW, nonce="mine"), NOW)):
        with pytest.raises(ProofRefused) as refused:
            held(text, now=now)
        assert refused.value.error == "use_dpop_nonce"
    with pytest.raises(ProofRefused):
        judge(read_proof(wrong), Secrets(b"another secret key of forty bytes, at all"), "POST", URL, NOW, None)


def test_beside_a_token_it_names_that_token() -> None:
    assert held(proof(URL, NOW, token="token"), token="token") == KEY.thumbprint()
    for text in (proof(URL, NOW), proof(URL, NOW, token="another"), proof(URL, NOW, ath="token")):
        with pytest.raises(ProofRefused):
            held(text, token="token")


def test_the_same_jti_by_two_keys_is_two() -> None:
    one, two = (read_proof(proof(URL, NOW, key=key, jti="same")) for key in (KEY, OTHER_KEY))
    assert one.place != two.place
    assert one.place == read_proof(proof(URL + "/x", NOW, jti="same")).place


GOOD = proof(URL, NOW)
Make = Callable[[], str]


def resigned(change: Callable[[list[str]], list[str]]) -> Make:
    return lambda: ".".join(change(GOOD.split(".")))


def payload(data: bytes) -> Make:
    return lambda: sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": public(KEY)}, data, KEY)


def header(**changes: Any) -> Make:
    return lambda: proof(URL, NOW, header=changes)


def claim(**changes: Any) -> Make:
    return lambda: proof(URL, NOW, **changes)


def jwk(**changes: Any) -> Make:
    changed = {name: value for name, value in (public(KEY) | changes).items() if value is not ...}
    return header(jwk=changed)


def symmetric() -> str:
    key = OctKey.import_key(b"k" * 32)
    return sign({"typ": "dpop+jwt", "alg": "HS256", "jwk": {"kty": "oct", "k": "a2s"}}, _claims(), key)


def _claims() -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(forge.decode(GOOD.split(".")[1]))
    return claims


HOSTILE: dict[str, Make] = {
    "empty": lambda: "",
    "one part": lambda: "x",
    "four parts": lambda: GOOD + ".x",
    "huge": lambda: GOOD + "A" * 9000,
    "not ASCII": lambda: GOOD[:-1] + "é",
    "alg none": lambda: unsigned(GOOD, "none"),
    "alg NONE": lambda: unsigned(GOOD, "NoNe"),
    "alg HS256": symmetric,
    "alg RS256": lambda: proof(URL, NOW, key=key_of("RS256"), algorithm="RS256"),
    "alg ES512": lambda: proof(URL, NOW, key=key_of("ES512"), algorithm="ES512"),
    "alg of another curve": lambda: _with_header({"typ": "dpop+jwt", "alg": "ES384", "jwk": public(KEY)}),
    "alg a list": lambda: _with_header({"typ": "dpop+jwt", "alg": ["ES256"], "jwk": public(KEY)}),
    "alg missing": lambda: _with_header({"typ": "dpop+jwt", "jwk": public(KEY)}),
    "typ JWT": header(typ="JWT"),
    "typ missing": header(typ=...),
    "typ at+jwt": header(typ="at+jwt"),
    "typ in capitals": header(typ="DPOP+JWT"),
    "kid too": header(kid="x"),
    "crit": header(crit=["exp"], exp=1),
    "jku": header(jku="https://evil.example"),
    "x5c": header(x5c=["x"]),
    "key missing": header(jwk=...),
    "key a string": lambda: _with_header({"typ": "dpop+jwt", "alg": "ES256", "jwk": "x"}),
    "key null": lambda: _with_header({"typ": "dpop+jwt", "alg": "ES256", "jwk": None}),
    "key empty": jwk(kty=..., crv=..., x=..., y=...),
    "key private": lambda: proof(URL, NOW, header={"jwk": dict(KEY.as_dict(private=True))}),
    "key of another": lambda: proof(URL, NOW, header={"jwk": public(OTHER_KEY)}),
    "key kty unknown": jwk(kty="AKP"),
    "key crv other": jwk(crv="P-384"),
    "key crv secp256k1": lambda: proof(URL, NOW, header={"jwk": public(ECKey.generate_key("secp256k1", private=True))}),
    "key x a number": jwk(x=5),
    "key x empty": jwk(x=""),
    "key off the curve": jwk(x="AAAA" + public(KEY)["x"][4:]),
    "key RSA of 1024 bits": lambda: _with_header(
        {"typ": "dpop+jwt", "alg": "PS256", "jwk": {"kty": "RSA", "e": "AQAB", "n": "x" * 171}}
    ),
    "key RSA huge": lambda: _with_header(
        {"typ": "dpop+jwt", "alg": "PS256", "jwk": {"kty": "RSA", "e": "AQAB", "n": "x" * 5000}}
    ),
    "signature changed": lambda: GOOD[:-4] + ("AAAA" if GOOD[-4:] != "AAAA" else "BBBB"),
    "signature empty": resigned(lambda p: [p[0], p[1], ""]),
    "payload changed": resigned(lambda p: [p[0], forge.encode(b"{}"), p[2]]),
    "payload empty": payload(b""),
    "payload no JSON": payload(b"{"),
    "payload a list": payload(b"[]"),
    "payload null": payload(b"null"),
    "payload not UTF-8": payload(b'{"jti":"\xff"}'),
    "payload twice htu": payload(json.dumps(_claims()).replace('"htu"', '"htu":"x","htu"').encode()),
    "payload nested": payload(b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"),
    "jti missing": claim(jti=...),
    "jti empty": claim(jti=""),
    "jti a number": claim(jti=5),
    "jti long": claim(jti="x" * 257),
    "htm missing": claim(htm=...),
    "htm GET": claim(htm="GET"),
    "htm in small letters": claim(htm="post"),
    "htm a list": claim(htm=["POST"]),
    "htu missing": claim(htu=...),
    "htu of another host": claim(htu="https://evil.example/oauth2/token"),
    "htu http": claim(htu=URL.replace("https", "http")),
    "htu of another port": claim(htu=URL.replace(".example", ".example:8443")),
    "htu of another path": claim(htu=URL + "/"),
    "htu of a path above": claim(htu=ISSUER),
    "htu with a user": claim(htu=URL.replace("https://", "https://a@") + "x"),
    "htu no URL": claim(htu="https://[x/"),
    "htu a port that is none": claim(htu="https://countersign.example:x/oauth2/token"),
    "htu a list": claim(htu=[URL]),
    "iat missing": claim(iat=...),
    "iat text": claim(iat="0"),
    "iat a float": claim(iat=NOW.timestamp()),
    "iat true": claim(iat=True),
    "iat negative": claim(iat=-1),
    "iat long ago": claim(iat=0),
    "iat far ahead": claim(iat=1 << 52),
    "ath empty": claim(ath=""),
    "ath a number": claim(ath=1),
    "nonce empty": claim(nonce=""),
    "nonce a number": claim(nonce=1),
    "nonce of nobody": claim(nonce="x"),
}


def _with_header(head: dict[str, Any]) -> str:
    return ".".join([forge.encode(json.dumps(head).encode()), *GOOD.split(".")[1:]])


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_proof_is_refused(case: str) -> None:
    assert held(GOOD) == KEY.thumbprint()
    with pytest.raises(ProofRefused):
        held(HOSTILE[case]())


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}(\.[A-Za-z0-9_-]{0,60}){0,4}", fullmatch=True))
def test_any_text_at_all_is_only_refused(text: str) -> None:
    with pytest.raises(ProofRefused):
        held(text)


@given(place=st.integers(0, len(GOOD) - 1), char=st.characters(max_codepoint=127))
def test_no_changed_character_is_accepted_for_the_same_key(place: int, char: str) -> None:
    changed = GOOD[:place] + char + GOOD[place + 1 :]
    if changed != GOOD:
        with pytest.raises(ProofRefused):
            held(changed)
