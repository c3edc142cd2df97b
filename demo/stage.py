"""The service on embedded parts: SQLite in a folder, a mail sink, identity providers, everything on loopback.

The folder keeps everything that a later start needs: the world as it was first applied, the providers' keys, the
enrolment codes, the service's own state.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any

import httpx2
from joserfc.jwk import ECKey, RSAKey

from demo.gateway import Gateway, find_nginx, start_environment, start_gateway
from demo.parts import START_TIMEOUT_S, Part, PartFailed, find_free_port, is_free, provider_command, start_part

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
PREFIX = "COUNTERSIGN_"
COUNT = 8
IMPLEMENTATION = timedelta(days=180)
COUNTERSIGN = Path(sys.executable).with_name("countersign")


class StageError(Exception):
    """The demo cannot start; the text says why and what helps."""


def refuse_outside_development(environ: Mapping[str, str]) -> None:
    """The demo signs anybody in, so it stays away from where a deployment is set up. Raises `StageError`."""
    told = {name for name in environ if name.startswith(PREFIX)}
    if told and environ.get(f"{PREFIX}DEVELOPMENT", "").lower() not in {"true", "1", "yes"}:
        raise StageError(
            f"the demo is for development only, and {min(told)} is set here: use another shell, "
            f"or set {PREFIX}DEVELOPMENT=true"
        )


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts listen. `gateway`: nginx with the gate, `environment`: what stands behind it."""

    service: int
    mail_page: int
    mail: int
    exu: int
    nul: int
    vendor: int
    gateway: int
    environment: int

    @classmethod
    def row(cls, first: int) -> Ports:
        """Eight in a row. Raises `StageError` where one is taken."""
        ports = range(first, first + COUNT)
        taken = [port for port in ports if not is_free(port)]
        if taken:
            raise StageError(
                f"something else listens on port {taken[0]} of {HOST} (the demo uses {first} to {ports[-1]}): "
                "end it, or give other ports with `make run PORT=…`"
            )
        return cls(*ports)

    @classmethod
    def free(cls) -> Ports:
        """Eight that nobody uses."""
        return cls(*(find_free_port() for _ in range(COUNT)))


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder and ports, with everything that follows from them.

    `databases`: URLs of another database than SQLite in the folder, for the application and for the owner.
    `recorder`: the pages behind the gate record themselves.
    """

    folder: Path
    ports: Ports
    databases: tuple[str, str] | None = None
    recorder: bool = False

    @property
    def base_url(self) -> str:
        """The service."""
        return _origin(self.ports.service)

    @property
    def mail_url(self) -> str:
        """The page of the mail sink."""
        return _origin(self.ports.mail_page)

    @property
    def environ(self) -> dict[str, str]:
        """For the service and its commands; nothing of the caller's settings gets through."""
        settings = {
            "DEVELOPMENT": "true",
            "BASE_URL": self.base_url,
            "DATABASE_URL": f"sqlite:///{self.folder / 'countersign.db'}",
            "KEYS_DIR": str(self.folder / "keys"),
            "CHECKPOINT_STORE": (self.folder / "checkpoints").as_uri(),
            "OBJECT_STORE": (self.folder / "objects").as_uri(),
            "SMTP_URL": f"smtp://{HOST}:{self.ports.mail}",
            "ALLOW_PRIVATE_NETWORKS": "true",
            "GATE_RECORDER": str(self.recorder).lower(),
        }
        if self.databases is not None:
            settings |= {"DATABASE_URL": self.databases[0], "OWNER_DATABASE_URL": self.databases[1]}
        own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return own | {PREFIX + name: value for name, value in settings.items()}

    @property
    def world(self) -> dict[str, Any]:
        """The world file's tables. Raises `StageError` for a folder that was made with other ports."""
        path = self.folder / "world.toml"
        if not path.exists():
            path.write_text(_world_text(self.ports), encoding="utf-8")
        world = tomllib.loads(path.read_text(encoding="utf-8"))
        if world["institutions"][0]["identity_provider"]["issuer"] != _origin(self.ports.exu):
            raise StageError(f"{self.folder} was made with other ports, which its trails pin: use those, or remove it")
        return world

    @property
    def gateway(self) -> Gateway:
        """The gateway in front of the first institution's environment."""
        key = _institution(self.world, _CODES[0])["environments"][0]["gate_key"]
        return Gateway(self.ports.gateway, self.ports.service, self.ports.environment, str(key), self.recorder)

    @property
    def environment_log(self) -> Path:
        """What reached the environment."""
        return self.folder / "environment.jsonl"

    def secret_of(self, client: str) -> str:
        """The secret of an API client."""
        return next(str(each["secret"]) for each in self.world["clients"] if each["id"] == client)

    def issuer_of(self, code: str) -> str:
        """The identity provider of an institution."""
        return str(_institution(self.world, code)["identity_provider"]["issuer"])

    def prepare(self) -> None:
        """Make what the folder has not yet. Raises `StageError`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "providers").mkdir(exist_ok=True)
        for code in (*_CODES, VENDOR):
            path = self._provider_path(code)
            if not path.exists():
                path.write_text(json.dumps(self._provider(code)))
                path.chmod(0o600)

    def start_parts(self, stack: ExitStack) -> list[Part]:
        """Start the mail sink and the providers; they end with `stack`. Nobody has waited for them yet."""
        sink = ["-m", "demo.mailsink", f"--smtp-port={self.ports.mail}", f"--http-port={self.ports.mail_page}"]
        commands: list[tuple[str, Sequence[str | Path]]] = [("^Mail goes to", [sys.executable, *sink])]
        commands += [("^ready ", [*provider_command(), self._provider_path(code)]) for code in (*_CODES, VENDOR)]
        parts = []
        for ready, command in commands:
            part = start_part(command, ready, env=self.environ, cwd=ROOT)
            stack.callback(part.stop)
            parts.append(part)
        return parts

    def start_gateway(self, stack: ExitStack) -> list[Part]:
        """Start the environment and nginx in front of it, where nginx is installed; they end with `stack`."""
        program = find_nginx()
        if program is None:
            return []
        parts = [
            start_environment(self.ports.environment, self.environment_log),
            start_gateway(program, self.gateway, self.folder / "gateway"),
        ]
        for part in parts:
            stack.callback(part.stop)
        return parts

    def run(self, *arguments: str | Path, codes: Sequence[int] = (0,)) -> str:
        """What a command of the service prints. Raises `StageError` for an exit code that is not among `codes`."""
        done = subprocess.run(
            [COUNTERSIGN, *arguments], env=self.environ, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode not in codes:
            said = (done.stdout + done.stderr).strip()
            raise StageError(f"`countersign {arguments[0]}` ended with {done.returncode}: {said}")
        return done.stdout

    def apply(self) -> None:
        """Make the service hold the world, once; keep the codes of what was created. Raises `StageError`."""
        if not self._codes_path.exists():
            created = self.run("apply", self.folder / "world.toml", "--json")
            self._codes_path.write_text(created, encoding="utf-8")

    def enrolment_codes(self) -> dict[str, str]:
        """The code of each institution."""
        lines = self._codes_path.read_text(encoding="utf-8").splitlines()
        return {each["institution"]: each["enrolment_code"] for each in map(json.loads, lines)}

    def serve(self, stack: ExitStack) -> Part:
        """Start the service with its worker; it ends with `stack`. Raises `PartFailed`."""
        command: list[str | Path] = [
            COUNTERSIGN,
            "serve",
            "--with-worker",
            f"--host={HOST}",
            f"--port={self.ports.service}",
        ]
        part = start_part(command, "$never", env=self.environ, cwd=ROOT)
        stack.callback(part.stop)
        with httpx2.Client(trust_env=False) as client:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not self._is_ready(client):
                if part.process.poll() is not None or time.monotonic() > deadline:
                    raise PartFailed(f"the service did not start:\n{''.join(part.tail)}")
                time.sleep(0.1)
        return part

    def _provider(self, code: str) -> dict[str, Any]:
        if code == VENDOR:
            returns = [f"{self.gateway.origin}/countersign/gate/return", f"{self.base_url}/callback/{VENDOR}"]
            vendor = self.world["vendor"]
            return _provider(vendor, [*ENGINEERS, *_accounts(vendor)], returns, self.base_url)
        institution = _institution(self.world, code)
        return _provider(institution, _accounts(institution), [f"{self.base_url}/callback/{code}"], self.base_url)

    def _is_ready(self, client: httpx2.Client) -> bool:
        try:
            return client.get(f"{self.base_url}/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    @property
    def _codes_path(self) -> Path:
        return self.folder / "enrolment-codes.jsonl"

    def _provider_path(self, code: str) -> Path:
        return self.folder / "providers" / f"{code}.json"


@contextmanager
def running(stage: Stage) -> Iterator[list[Part]]:
    """Everything runs inside the block. Raises `StageError`, `PartFailed`."""
    stage.prepare()
    with ExitStack() as stack:
        parts = stage.start_parts(stack)
        stage.run("migrate")
        stage.apply()
        for part in parts:
            part.wait()
        service = stage.serve(stack)
        gateway = stage.start_gateway(stack)
        for part in gateway:
            part.wait()
        yield [*parts, service, *gateway]


_CODES = ("01EXU_INST", "01NUL_INST")
VENDOR = "VENDOR"
ENGINEERS = (
    {"sub": "e1234", "email": "e1234@vendor.example", "name": "Tier 3 engineer"},
    {"sub": "e5678", "email": "e5678@vendor.example", "name": "Another engineer"},
)
"""Who signs in at the vendor's provider: the subject is the vendor's engineer id."""


def _origin(port: int) -> str:
    return f"http://{HOST}:{port}"


def _world_text(ports: Ports) -> str:
    template = Template((ROOT / "demo" / "world.toml").read_text(encoding="utf-8"))
    return template.substitute(
        exu_issuer=_origin(ports.exu),
        nul_issuer=_origin(ports.nul),
        vendor_issuer=_origin(ports.vendor),
        gateway=_origin(ports.gateway),
        implementation_ends=(datetime.now(UTC) + IMPLEMENTATION).date().isoformat(),
    )


def _institution(world: Mapping[str, Any], code: str) -> Mapping[str, Any]:
    return next(each for each in world["institutions"] if each["code"] == code)


def _accounts(party: Mapping[str, Any]) -> list[dict[str, str]]:
    """Its people, as accounts of its identity provider."""
    return [
        {"sub": f"u-{each['email'].partition('@')[0]}", "email": each["email"], "name": each["name"]}
        for each in party["people"]
    ]


def _provider(
    party: Mapping[str, Any], accounts: list[dict[str, str]], returns: Sequence[str], home: str
) -> dict[str, Any]:
    """The configuration of an identity provider: people as accounts, our registrations, keys that last."""
    settings = party["identity_provider"]
    registrations = {settings["client_id"]: settings["client_secret"]}
    if "approval_client_id" in settings:
        registrations[settings["approval_client_id"]] = settings["approval_client_secret"]
    keys: list[RSAKey | ECKey] = [
        RSAKey.generate_key(2048, {"alg": "RS256", "use": "sig"}),
        ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}),
    ]
    return {
        "port": int(settings["issuer"].rpartition(":")[2]),
        "name": party["name"],
        "accounts": accounts,
        "clients": [
            {
                "client_id": client,
                "client_secret": secret,
                "redirect_uris": list(returns),
                "post_logout_redirect_uris": [f"{home}/"],
            }
            for client, secret in registrations.items()
        ],
        "jwks": {"keys": [key.as_dict(private=True) for key in keys]},
    }
