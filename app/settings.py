"""What an operator sets: `COUNTERSIGN_*` of the environment, or of the TOML file that `COUNTERSIGN_SETTINGS` names.

The file holds the same names (`COUNTERSIGN_BASE_URL = "https://…"`); the environment wins. Settings stop at the door:
only `bootstrap` and `cli` read them. Everything wrong is reported at once, each by its name and with the remedy, and
never with its value. Defaults that stand for a person's choice exist in development only.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PREFIX = "COUNTERSIGN_"
FILE = PREFIX + "SETTINGS"
DEMO_SECRET_KEY = "the secret key of the demo, which everybody knows"  # noqa: S105 -- refused outside development
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class SettingsError(Exception):
    """The service cannot start as it is set. `problems`: one line each, the setting's name first."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings that have been judged; only `load` makes them. Either `keys_dir` is set or both keys are."""

    development: bool
    base_url: str
    log_name: str
    secret_key: bytes = field(repr=False)
    database_url: str = field(repr=False)
    owner_database_url: str | None = field(repr=False)
    keys_dir: Path | None
    token_key: str | None = field(repr=False)
    client_key: str | None = field(repr=False)
    trail_keys: Mapping[str, str] | None = field(repr=False)
    checkpoint_store: str
    object_store: str
    smtp_url: str = field(repr=False)
    mail_from: str
    bounce_address: str | None
    allow_private_networks: bool
    metrics_token: str | None = field(repr=False)
    requests_per_hour: int
    calls_per_minute: int
    checkpoint_every: int
    gate_recorder: bool

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies are `Secure`: always, but with an `http` base URL, which development alone may have."""
        return self.base_url.startswith("https:")

    @property
    def cookie_prefix(self) -> str:
        """What stands before the name of every cookie."""
        return "__Host-" if self.secure_cookies else ""

    def refuse_outside_development(self, what: str) -> None:
        """For demo worlds and identities. Raises `SettingsError` when this is no development set-up."""
        if not self.development:
            raise SettingsError([f"{PREFIX}DEVELOPMENT: {what} runs in development only, where this is true"])


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of an environment. Raises `SettingsError` listing everything that is wrong."""
    problems: list[str] = []
    texts = _gather(environ, problems)
    development = _BOOLEANS.get(texts.get(PREFIX + "DEVELOPMENT", "false").lower(), False)
    values = dict.fromkeys(_TABLE)
    for name, spec in _TABLE.items():
        variable = PREFIX + name.upper()
        text = texts.get(variable) or spec.default or (spec.development if development else None)
        try:
            values[name] = spec.parse(text) if text else None
        except ValueError as error:
            problems.append(f"{variable}: {error}")
            continue
        if spec.required and not text:
            problems.append(f"{variable}: is not set; {spec.remedy}")
    problems += _judge_keys(values, texts, development=development)
    problems += _judge_production(values) if not development else ()
    if problems:
        raise SettingsError(problems)
    return Settings(**values)  # type: ignore[arg-type] # the table gives each field its type


def _gather(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    """The texts by name, of the file and over it of the environment; empty ones count as not set."""
    path, known = environ.get(FILE), {PREFIX + name.upper() for name in _TABLE}
    in_file: dict[str, Any] = {}
    if path:
        try:
            in_file = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            problems.append(f'{FILE}: {path} cannot be read as TOML lines NAME = "value" ({error})')
        problems += [f"{name}: is no setting; take it out of {path}" for name in sorted(in_file.keys() - known)]
    texts = {name: json.dumps(value) if not isinstance(value, str) else value for name, value in in_file.items()}
    return texts | {name: value for name, value in environ.items() if name in known and value}


def _judge_keys(values: dict[str, Any], texts: Mapping[str, str], *, development: bool) -> Iterator[str]:
    """A directory, or both values; never a mixture, part of which would silently not count."""
    directory, token_key, trail_keys, client_key = (
        PREFIX + name in texts for name in ("KEYS_DIR", "TOKEN_KEY", "TRAIL_KEYS", "CLIENT_KEY")
    )
    if token_key or trail_keys or client_key:
        if directory or not (token_key and trail_keys):
            yield f"{PREFIX}KEYS_DIR: give a directory, or TOKEN_KEY with TRAIL_KEYS; not parts of both"
        values["keys_dir"] = None
    elif not directory and not development:
        yield f"{PREFIX}KEYS_DIR: is not set; name the directory of the signing keys"


def _judge_production(values: Mapping[str, Any]) -> Iterator[str]:
    """What development alone may have."""
    base_url, secret_key = values["base_url"], values["secret_key"]
    if base_url and not base_url.startswith("https:"):
        yield f"{PREFIX}BASE_URL: http is for development only; give the https URL that browsers use"
    if secret_key and (secret_key == DEMO_SECRET_KEY.encode() or _is_low_entropy(secret_key)):
        yield f"{PREFIX}SECRET_KEY: can be guessed; make one with `openssl rand -base64 48`"


def _is_low_entropy(secret: bytes) -> bool:
    """Few different characters, or few different steps from one to the next, as in repetitions and rows."""
    steps = {after - before for before, after in pairwise(secret)}
    return min(len(set(secret)), len(steps)) < 10


# -- one parser a kind: the value, or a ValueError that tells the remedy -----------------------------------------------


def _boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError("is neither true nor false")
    return _BOOLEANS[text.lower()]


def _origin(text: str) -> str:
    parts = urlsplit(text.rstrip("/"))
    if (
        parts.scheme not in {"https", "http"}
        or not parts.hostname
        or f"{parts.scheme}://{parts.netloc}" != text.rstrip("/")
    ):
        raise ValueError("is no origin; give scheme and host alone, as in https://countersign.example")
    if "@" in parts.netloc or re.search(r"[\s\x00-\x1f]", text) or parts.port == 0:
        raise ValueError("is no origin; give neither user nor spaces")
    return text.rstrip("/")


def _log_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*", text):
        raise ValueError("is no name of a log; give a host name of yours, perhaps with a path, without scheme")
    return text


def _secret_key(text: str) -> bytes:
    if len(text.encode()) < 32:
        raise ValueError("has under 32 bytes; make one with `openssl rand -base64 48`")
    return text.encode()


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not (parts.netloc or parts.path.strip("/")):
            raise ValueError("is no URL that begins with " + " or ".join(f"{scheme}://" for scheme in schemes))
        return text

    return parse


def _store(text: str) -> str:
    """A URL, or a path, which stands for its URL."""
    return _url("file", "s3")(text if "://" in text else Path(text).absolute().as_uri())


def _mailbox(text: str) -> str:
    if not re.fullmatch(r"[^<>@\r\n]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+", text):
        raise ValueError("is no mailbox; give an address, or Name <address>")
    return text


def _bounce_address(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,20}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", text):
        raise ValueError("is no bare address whose part before the @ has at most 20 characters and no +")
    return text


def _metrics_token(text: str) -> str:
    if len(text) < 16:
        raise ValueError("has under 16 characters; make one with `openssl rand -hex 16`")
    return text


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise ValueError("is no whole number of at least 1")
    return int(text)


def _pem(text: str) -> str:
    if "-----BEGIN" not in text:
        raise ValueError("is no PEM block; give the private key itself, with its lines")
    return text


def _trail_keys(text: str) -> dict[str, str]:
    found = json.loads(text) if text.lstrip().startswith("{") else None
    if not found or not all(isinstance(pem, str) and "-----BEGIN" in pem for pem in found.values()):
        raise ValueError('is no JSON object {"<log>": "<PEM of its Ed25519 key>"}')
    return dict(found)


@dataclass(frozen=True, slots=True)
class _Spec:
    """How one setting is read. `development` is its default there alone; elsewhere a required one must be set."""

    parse: Callable[[str], Any]
    default: str | None = None
    development: str | None = None
    required: bool = False
    remedy: str = ""


def _needed(parse: Callable[[str], Any], development: str, remedy: str) -> _Spec:
    return _Spec(parse, development=development, required=True, remedy=remedy)


_TABLE = {
    "development": _Spec(_boolean, "false"),
    "base_url": _needed(_origin, "http://127.0.0.1:8000", "give the https URL that browsers and vendor systems use"),
    "log_name": _needed(_log_name, "countersign.localhost", "give a host name of yours; it stands in every checkpoint"),
    "secret_key": _needed(_secret_key, DEMO_SECRET_KEY, "make one with `openssl rand -base64 48` and keep it"),
    "database_url": _Spec(_url("sqlite", "postgresql"), "sqlite:///var/countersign.db"),
    "owner_database_url": _Spec(_url("postgresql")),
    "keys_dir": _Spec(Path, development="var/keys"),
    "token_key": _Spec(_pem),
    "client_key": _Spec(_pem),
    "trail_keys": _Spec(_trail_keys),
    "checkpoint_store": _needed(_store, "var/checkpoints", "give a file:// or s3:// URL off the database"),
    "object_store": _needed(_store, "var/objects", "give a file:// or s3:// URL for recordings"),
    "smtp_url": _needed(
        _url("smtp", "smtps", "smtp+starttls"),
        "smtp://127.0.0.1:1025",
        "give smtp://host:port, smtps:// or smtp+starttls://",
    ),
    "mail_from": _needed(
        _mailbox, "Countersign <countersign@countersign.localhost>", "give the address mails come from"
    ),
    "bounce_address": _Spec(_bounce_address),
    "allow_private_networks": _Spec(_boolean, "false"),
    "metrics_token": _Spec(_metrics_token),
    "requests_per_hour": _Spec(_count, "600"),
    "calls_per_minute": _Spec(_count, "6000"),
    "checkpoint_every": _Spec(_count, "600"),
    "gate_recorder": _Spec(_boolean, "false"),
}
