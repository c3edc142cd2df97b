"""Outgoing calls go where they were meant to go, or nowhere."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from app.identity.errors import FetchError
from app.identity.http import Fetcher, Resolver, is_public, resolve

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"a": true}'


class Canary:
    """A listener on loopback that answers everything alike and remembers every connection."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.connections = 0
        self.heard: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            self.heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(self.answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            self.heard.append("")
        finally:
            writer.close()


@asynccontextmanager
async def listening(answer: bytes = OK, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Canary, int]]:
    canary = Canary(answer)
    async with await asyncio.start_server(canary.serve, "127.0.0.1", 0, ssl=tls) as server:
        yield canary, server.sockets[0].getsockname()[1]
        for writer in canary.writers:  # nothing of it outlives the event loop
            writer.transport.abort()
        await asyncio.sleep(0)


def always(*addresses: str) -> Resolver:
    async def resolver(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolver


def development(resolver: Resolver = resolve, total_timeout_s: float = 5) -> Fetcher:
    return Fetcher(allow_private=True, allow_http=True, resolver=resolver, total_timeout_s=total_timeout_s)


@pytest.mark.parametrize(
    "address",
    "127.0.0.1 127.9.9.9 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 192.0.2.1 224.0.0.1 "
    "240.0.0.1 255.255.255.255 198.18.0.1 ::1 :: fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1 ff0e::1 "
    "2001:db8::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1:: 2002:a00:1:: "
    "2001:0:4136:e378:8000:63bf:3fff:fdd2 4000::1".split(),
)
async def test_no_address_inside_is_public(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(FetchError, match="address"):
        await Fetcher(resolver=always(address)).get_json("https://login.example.edu/")


@pytest.mark.parametrize("address", "8.8.8.8 193.170.1.1 2001:4860:4860::8888 64:ff9b::808:808 2002:808:808::".split())
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", "127.0.0.1 localhost 127.1 2130706433 0x7f000001 0177.0.0.1 [::1] [::ffff:127.0.0.1] 0.0.0.0".split()
)
async def test_a_canary_inside_hears_nothing_however_it_is_spelt(host: str) -> None:
    async with listening() as (canary, port):
        with pytest.raises(FetchError) as refused:
            await Fetcher(allow_http=True).get_json(f"http://{host}:{port}/")
    assert refused.value.problem in {"address", "unreachable", "scheme"}
    assert canary.connections == 0


async def test_one_inner_address_among_public_ones_spoils_the_host() -> None:
    async with listening() as (canary, port):
        fetcher = Fetcher(allow_http=True, resolver=always("8.8.8.8", "127.0.0.1"))
        with pytest.raises(FetchError, match="address"):
            await fetcher.get_json(f"http://login.example.edu:{port}/")
    assert canary.connections == 0


async def test_a_host_is_looked_up_once_so_that_it_cannot_be_rebound() -> None:
    """The connection goes to the address that was checked; a resolver with a second opinion is never asked for it."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with listening() as (canary, port):
        value, body = await development(resolver=rebinding).get_json(f"http://login.example.edu:{port}/a?b=c")
    assert (value, body) == ({"a": True}, b'{"a": true}')
    assert asked == ["login.example.edu"]
    assert canary.heard[0].startswith("GET /a?b=c HTTP/1.1\r\n")
    assert f"\r\nhost: login.example.edu:{port}\r\n" in canary.heard[0].lower()


async def test_addresses_are_tried_in_turn() -> None:
    async with listening() as (canary, port):
        await development(resolver=always("127.0.0.3", "127.0.0.1")).get_json(f"http://login.example.edu:{port}/")
    assert canary.connections == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.edu/",
        "ftp://login.example.edu/",
        "file:///etc/passwd",
        "https:///nowhere",
        "https://user@login.example.edu/",
        "https://user:secret@login.example.edu/",
        "https://login.example.edu/#fragment",
        "https://[::1/",
        "login.example.edu",
        "",
    ],
)
async def test_only_plain_https_addresses_are_called(url: str) -> None:
    with pytest.raises(FetchError, match="scheme"):
        await Fetcher(resolver=always("8.8.8.8")).get_json(url)


@pytest.mark.parametrize(
    "answer, problem",
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "redirect"),
        (OK.replace(b"200 OK", b"307 Moved\r\nLocation: /"), "redirect"),
        (OK.replace(b"200 OK", b"404 Not Found"), "status"),
        (OK.replace(b"200 OK", b"204 No Content"), "content-type"),
        (OK.replace(b"application/json", b"text/html"), "content-type"),
        (OK.replace(b"Content-Type: application/json\r\n", b""), "content-type"),
        (OK.replace(b"true", b"nope"), "malformed"),
        (OK.replace(b"Content-Length", b"Content-Encoding: gzip\r\nContent-Length"), "encoding"),
        (OK.replace(b"Content-Length: 11", b"Content-Length: 12"), "unreachable"),
        (OK.partition(b"Content-Length")[0] + b"\r\n" + b" " * (1 << 20) + b"{}", "too-large"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "unreachable"),
        (b"", "unreachable"),
    ],
)
async def test_what_is_no_json_answer_is_no_answer(answer: bytes, problem: str) -> None:
    if b"204" in answer:
        answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    async with listening(answer) as (canary, port):
        with pytest.raises(FetchError) as refused:
            await development().get_json(f"http://127.0.0.1:{port}/")
    assert refused.value.problem == problem
    assert canary.connections == 1


async def test_a_host_that_is_not_there_is_unreachable() -> None:
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError(host)

    for resolver in (nowhere, always(), always("127.0.0.3")):
        with pytest.raises(FetchError, match="unreachable"):
            await development(resolver=resolver).get_json("http://login.example.edu:1/")


async def test_the_whole_call_has_a_deadline_not_only_each_byte() -> None:
    over = asyncio.Event()

    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not over.is_set():
            writer.write(b" ")
            try:
                await asyncio.wait_for(over.wait(), 0.02)
            except TimeoutError:
                continue
        writer.close()

    async with await asyncio.start_server(dripping, "127.0.0.1", 0) as server:
        with pytest.raises(FetchError, match="timeout"):
            await development(total_timeout_s=0.3).get_json(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        over.set()


async def test_a_body_is_sent_and_nothing_but_the_head_of_the_answer_read() -> None:
    """However much is answered, and however slowly."""
    heard, over = bytearray(), asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"{}"))
        writer.write(b"HTTP/1.1 202 Accepted\r\nRetry-After: 7\r\nContent-Encoding: br\r\n\r\n" + b" " * (2 << 20))
        await over.wait()
        writer.close()

    async with await asyncio.start_server(endless, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
        reply = await development().post(address, b"{}", {"X-Name": "value"})
        over.set()
    assert (reply.status, reply.retry_after) == (202, "7")
    assert heard.startswith(b"POST /hooks HTTP/1.1\r\n")
    assert b"\r\nx-name: value\r\n" in heard.lower()


@pytest.mark.parametrize("location", ["/", "http://127.0.0.1:1/"])
async def test_a_body_is_not_carried_on_by_a_redirect(location: str) -> None:
    async with listening(f"HTTP/1.1 307 Moved\r\nLocation: {location}\r\n\r\n".encode()) as (canary, port):
        reply = await development().post(f"http://127.0.0.1:{port}/", b"{}", {})
    assert (reply.status, canary.connections) == (307, 1)


async def test_a_body_goes_to_no_address_inside_and_over_no_plain_http() -> None:
    async with listening() as (canary, port):
        for fetcher, problem in ((Fetcher(allow_http=True), "address"), (Fetcher(allow_private=True), "scheme")):
            with pytest.raises(FetchError, match=problem):
                await fetcher.post(f"http://localhost:{port}/", b"{}", {})
    assert canary.connections == 0


async def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as (canary, port), listening() as (proxy, proxy_port):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy_port}")
        await development().get_json(f"http://127.0.0.1:{port}/")
    assert (canary.connections, proxy.connections) == (1, 0)


async def test_any_client_over_the_transport_keeps_the_rules() -> None:
    async with listening() as (canary, port), httpx2.AsyncClient(transport=Fetcher(allow_http=True)) as client:
        with pytest.raises(FetchError, match="address"):
            await client.post(f"http://127.0.0.1:{port}/", data={"code": "x"})
        with pytest.raises(FetchError, match="scheme"):
            await client.get(f"http://user@127.0.0.1:{port}/", auth=None)
    assert canary.connections == 0


async def test_the_certificate_is_checked_against_the_name_though_the_address_is_pinned(tmp_path: Path) -> None:
    server, client = certificate_for("login.example.edu", tmp_path)
    async with listening(tls=server) as (canary, port):
        fetcher = Fetcher(allow_private=True, resolver=always("127.0.0.1"), tls=client)
        assert (await fetcher.get_json(f"https://login.example.edu:{port}/"))[0] == {"a": True}
        for host in ("other.example.edu", "127.0.0.1"):
            with pytest.raises(FetchError, match="unreachable"):
                await fetcher.get_json(f"https://{host}:{port}/")
        stranger = Fetcher(allow_private=True, resolver=always("127.0.0.1"))
        with pytest.raises(FetchError, match="unreachable"):
            await stranger.get_json(f"https://login.example.edu:{port}/")
    assert len([heard for heard in canary.heard if heard]) == 1


def certificate_for(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server with this certificate, and of a client that trusts it alone."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=certificate.public_bytes(Encoding.PEM).decode())
