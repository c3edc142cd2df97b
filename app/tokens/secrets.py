"""Everything derived from the service's one secret key: sealing, MACs, hashes of secrets, stand-ins for ids.

HKDF-SHA256 (RFC 5869) gives each purpose its own key by label, so none serves two purposes. The key lives in the
settings, never in the database: who reads or writes the database alone can neither open nor forge what is kept there.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import string
import zlib
from collections import OrderedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.domain.errors import CountersignError
from app.domain.ids import digest_id

MIN_KEY_BYTES = 32
HELD = 4096
"""How many MACs are remembered as holding."""
_SEAL_VERSION = b"\x01"
_NONCE_BYTES = 12
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CODES = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_BODY, _CHECKSUM = 32, 6
_SECRET = re.compile(rf"([a-z]{{2,8}})_([0-9A-Za-z]{{{_BODY}}})([0-9A-Za-z]{{{_CHECKSUM}}})")


class SealBroken(CountersignError):
    """A sealed value does not open: another key, another label, or changed bytes."""


class Secrets:
    """Purposes of the secret key. Labels are constants of the caller, one for each purpose."""

    def __init__(self, secret_key: bytes) -> None:
        """Raises `ValueError` for a key under 32 bytes."""
        if len(secret_key) < MIN_KEY_BYTES:
            raise ValueError(f"the secret key has {len(secret_key)} bytes; it needs at least {MIN_KEY_BYTES}")
        self._secret_key = secret_key
        self._keys: dict[str, bytes] = {}
        self._held: OrderedDict[tuple[str, bytes, tuple[str | bytes, ...]], None] = OrderedDict()
        self._aead = AESGCM(self.derive("seal"))

    def derive(self, label: str) -> bytes:
        """The 32-byte key of a purpose."""
        key = self._keys.get(label)
        if key is None:
            info = b"countersign/" + label.encode()
            key = self._keys[label] = HKDF(SHA256(), 32, salt=None, info=info).derive(self._secret_key)
        return key

    def seal(self, label: str, data: bytes) -> bytes:
        """AES-256-GCM of `data`, opened under the same label only; a label that names the row pins the value to it.

        Version byte, 12-byte random nonce, ciphertext with its 16-byte tag.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return _SEAL_VERSION + nonce + self._aead.encrypt(nonce, data, label.encode())

    def open(self, label: str, sealed: bytes) -> bytes:
        """What was sealed under `label`. Raises `SealBroken`."""
        head, rest = sealed[: 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if len(head) <= _NONCE_BYTES or head[:1] != _SEAL_VERSION:
            raise SealBroken("not a sealed value")
        try:
            return self._aead.decrypt(head[1:], rest, label.encode())
        except InvalidTag as error:
            raise SealBroken(f"the sealed value {label!r} does not open with this secret key") from error

    def mac(self, label: str, *parts: str | bytes) -> bytes:
        """HMAC-SHA256 (32 bytes) over the parts, each with its length before it, under the label's own key."""
        datas = [part.encode() if isinstance(part, str) else part for part in parts]
        whole = b"".join([piece for data in datas for piece in (len(data).to_bytes(8, "big"), data)])
        return hmac.digest(self.derive("mac/" + label), whole, "sha256")

    def mac_holds(self, mac: bytes, label: str, *parts: str | bytes) -> bool:
        """Whether `mac` is the MAC of these parts, in constant time.

        That it was so is remembered: rows that machines ask about come again and again, and a MAC never ceases to hold.
        """
        place = (label, mac, parts)
        if place in self._held:
            self._held.move_to_end(place)
            return True
        if not hmac.compare_digest(mac, self.mac(label, *parts)):
            return False
        self._held[place] = None
        if len(self._held) > HELD:
            self._held.popitem(last=False)
        return True

    def hash_secret(self, secret: str) -> str:
        """What is stored of a machine's secret or a code: its keyed hash, 64 hex digits.

        A keyed hash, not a slow one: the secrets are random and the key is not where the hashes are.
        """
        return self.mac("secret", secret.encode("utf-8", "surrogatepass")).hex()

    def secret_matches(self, secret: str, hashes: tuple[str, ...]) -> bool:
        """Whether the secret is one of those hashed; the time taken tells nothing about which."""
        given = self.hash_secret(secret)
        return sum(hmac.compare_digest(given, known) for known in hashes) > 0

    def engineer_id(self, vendor_id: str) -> str:
        """`eng_…`, which stands for the vendor's engineer id in every log of this deployment."""
        return digest_id("eng", self.mac("engineer", vendor_id))


def new_secret(prefix: str) -> str:
    """A new secret such as `cs_…`: prefix, 190 random bits, and a checksum by which scanners know a leaked one."""
    body = "".join(secrets.choice(_BASE62) for _ in range(_BODY))
    return f"{prefix}_{body}{_checksum(prefix, body)}"


def is_secret(text: str, prefix: str) -> bool:
    """Whether `text` was made by `new_secret(prefix)`, as far as prefix and checksum tell."""
    match = _SECRET.fullmatch(text)
    return match is not None and match[1] == prefix and match[3] == _checksum(prefix, match[2])


def new_code(chars: int) -> str:
    """A random code that people can read aloud, five bits a character; 12 for `/r/{short}` or a stop code."""
    return "".join(secrets.choice(_CODES) for _ in range(chars))


def _checksum(prefix: str, body: str) -> str:
    value, digits = zlib.crc32(f"{prefix}_{body}".encode()), ""
    for _ in range(_CHECKSUM):
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return digits
