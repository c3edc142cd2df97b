"""`introspect`: introspections a second of one process, every one from a fresh PostgreSQL row, to `oidc-provider` in
memory. The load is the same for both: 32 connections, a client that signs in by HTTP Basic with each call.
"""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import httpx2

from app.actions import grants
from app.actions.clients import add_client
from app.actions.operators import operator
from app.actions.world import read_client
from app.tokens.clients import Caller
from bench.load import Served, run_load
from bench.measure import ROUNDS, Result
from bench.provider import new_key
from bench.server import run_server
from bench.world import SECRET_KEY, Desk, build_services, code_of, populate
from demo.parts import find_free_port, provider_command, run_part

CONNECTIONS = 32
SECONDS = 5
TOKENS = 64
CLIENT = "gateway"
SECRET = "cs_the_secret_of_the_gateway_of_the_bench"  # noqa: S105 -- of a service that lives for one benchmark
AUDIENCE = "https://gateway.vendor.example/n0-alma"


def run() -> Iterator[Result]:
    """The rate beside the other's, then the service's own 99th percentile beside its median."""
    with run_server() as server, tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        tokens = asyncio.run(_prepare(server.urls.app, Path(folder)))
        with _service(server.urls.app, Path(folder)) as ours, _other() as (theirs, opaque):
            mine, other = _requests("/oauth2/introspect", tokens), _requests("/token/introspection", opaque)
            rounds = [(_round(ours, mine), _round(theirs, other)) for _ in range(ROUNDS + 1)][1:]
    value, limit = (median(each.rate for each in column) for column in zip(*rounds, strict=True))
    yield Result(
        "introspect", value, "introspections/s", limit, "npm oidc-provider, opaque, in memory", value / limit, ROUNDS
    )
    p99, p50 = (median(getattr(each, name) for each, _ in rounds) for name in ("p99", "p50"))
    yield Result("introspect_p99", p99, "ms", p50, "its own median", p99 / p50, ROUNDS)


def _round(port: int, requests: list[bytes]) -> Served:
    return run_load(port, requests, b'"active":true', connections=CONNECTIONS, seconds=SECONDS)


async def _prepare(url: str, directory: Path) -> list[str]:
    """An enrolled institution, approved requests, and a token of each; a gateway that may ask about them."""
    jwk = new_key()
    cli = await populate(url, directory, jwk, 1)
    services, edge = build_services(url, directory, jwk, 2)
    try:
        spec = read_client(CLIENT, SECRET, ["introspect"], ["*"], [AUDIENCE])
        await add_client(services, operator(services, "bench"), spec)
        desk = await Desk.open(services, edge, cli, code_of(0))
        caller = Caller("support-console", cli, frozenset({"tokens"}), frozenset({"*"}), frozenset())
        requests = [await desk.create_and_approve() for _ in range(TOKENS)]
        return [(await grants.mint(services, caller, request)).access_token for request in requests]
    finally:
        await services.database.close()


@contextmanager
def _service(url: str, directory: Path) -> Iterator[int]:
    """One process of the service, as in production; its port."""
    port = find_free_port()
    settings = {
        "COUNTERSIGN_DATABASE_URL": url,
        "COUNTERSIGN_BASE_URL": "https://countersign.example",
        "COUNTERSIGN_LOG_NAME": "countersign.example",
        "COUNTERSIGN_SECRET_KEY": SECRET_KEY,
        "COUNTERSIGN_KEYS_DIR": str(directory / "keys"),
        "COUNTERSIGN_CHECKPOINT_STORE": (directory / "heads").as_uri(),
        "COUNTERSIGN_OBJECT_STORE": (directory / "objects").as_uri(),
        "COUNTERSIGN_SMTP_URL": "smtp://127.0.0.1:1",
        "COUNTERSIGN_MAIL_FROM": "countersign@countersign.example",
    }
    command = [str(Path(sys.executable).with_name("countersign")), "serve", "--port", str(port), "--without-worker"]
    with (
        (directory / "service.log").open("w") as log,
        subprocess.Popen(command, env=os.environ | settings, stderr=log) as process,
    ):
        try:
            _wait(port, process)
            yield port
        finally:
            process.terminate()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until it answers. Raises `RuntimeError` where it does not within ten seconds."""
    for _ in range(100):
        if process.poll() is None:
            with suppress(httpx2.TransportError):
                if httpx2.get(f"http://127.0.0.1:{port}/healthz").is_success:
                    return
        time.sleep(0.1)
    raise RuntimeError("the service does not answer")


@contextmanager
def _other() -> Iterator[tuple[int, list[str]]]:
    """The other server's port, and opaque tokens of it."""
    node, _ = provider_command()
    environ = os.environ | {"CLIENT_SECRET": SECRET, "NODE_ENV": "production"}
    with run_part(
        [node, str(Path(__file__).with_name("oidc_introspection.mjs"))], r"^ready (\d+)$", env=environ
    ) as part:
        port = int(part.wait()[1])
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", auth=(CLIENT, SECRET)) as client:
            answers = [client.post("/token", data={"grant_type": "client_credentials"}) for _ in range(TOKENS)]
        yield port, [answer.json()["access_token"] for answer in answers]


def _requests(path: str, tokens: list[str]) -> list[bytes]:
    """A call for each token, byte for byte."""
    basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
    found = []
    for token in tokens:
        body = urlencode({"token": token})
        head = [
            f"POST {path} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Basic {basic}",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
        ]
        found.append("\r\n".join([*head, "", body]).encode())
    return found
