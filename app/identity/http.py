"""Outgoing HTTP to addresses that others configured: issuers, their key sets and token endpoints, webhooks.

Resolve, check, pin: a host's addresses are looked up once, every one of them has to be public, and the connection goes
to an address that was checked, so that a second look-up cannot answer differently (DNS rebinding). The name stands in
`Host` and is what the certificate is checked against. No redirect is followed, no proxy asked, no connection kept;
time and size are capped, whatever the server does.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

import httpx2

from app.identity.errors import FetchError
from app.identity.flights import Flights
from app.identity.strict_json import strict_json

MAX_BODY: Final = 1 << 20
CONNECT_TIMEOUT_S: Final = 5.0
TOTAL_TIMEOUT_S: Final = 10.0

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → its addresses. Raises `OSError`."""

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_PORTS: Final = {"https": 443, "http": 80}
_UNREAD: Final = "countersign.unread"
_JSON: Final = frozenset({"application/json", "application/jwk-set+json"})


# Not the loop's own few threads: a name server that hangs would keep them from everybody else.
_RESOLVERS: Final = ThreadPoolExecutor(64, "resolve")


async def resolve(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, ask)
    return [str(address[0]) for *_, address in found]


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, and does not stand for one that is not."""
    address = _embedded(ip_address(text))
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one carries (mapped, NAT64, 6to4, Teredo), else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (address,))[-1]


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered to a body that was sent."""

    status: int
    retry_after: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a body that was sent, whole; `media_type` as it stands, empty where there is none."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer whole, whatever its status. `retry_after` as it was sent."""

    status: int
    media_type: str
    retry_after: str | None
    body: bytes

    @property
    def wait_s(self) -> float | None:
        """How many seconds it asks to wait; null where it does not, or by a date."""
        given = (self.retry_after or "").strip()
        return float(given) if given.isdecimal() and given.isascii() and len(given) < 10 else None


class Fetcher(httpx2.AsyncBaseTransport):
    """A transport for httpx2 (and for Authlib's clients) that keeps the rules above. Every failure is `FetchError`.

    `allow_private` and `allow_http` are for development. Problems: `scheme`, `address`, `unreachable`, `timeout`,
    `too-large`, `encoding`; from `get_json` also `redirect`, `status`, `content-type`, `malformed`.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        allow_http: bool = False,
        resolver: Resolver = resolve,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._schemes = frozenset({"https", "http"} if allow_http else {"https"})
        self._resolve = resolver
        self._total_timeout_s = total_timeout_s
        self._timeouts = httpx2.Timeout(total_timeout_s, connect=CONNECT_TIMEOUT_S).as_dict()
        self._lookups: Flights[tuple[str, int], Sequence[str]] = Flights()
        self._tls = tls or httpx2.create_ssl_context()

    def is_allowed(self, url: str) -> bool:
        """Whether a browser or this fetcher may be sent to this address: scheme, host, no user, no fragment."""
        try:
            parsed = httpx2.URL(url)
        except httpx2.InvalidURL:
            return False
        return parsed.scheme in self._schemes and bool(parsed.host) and not (parsed.userinfo or parsed.fragment)

    async def get_json(self, url: str) -> tuple[object, bytes]:
        """The strictly read JSON at `url`, and its exact bytes. Raises `FetchError`."""
        if not self.is_allowed(url):
            raise FetchError("scheme", url)
        async with httpx2.AsyncClient(transport=self, trust_env=False, follow_redirects=False) as client:
            response = await client.get(url, headers={"Accept": "application/json"})
        check_json(response)
        if response.status_code != httpx2.codes.OK:
            raise FetchError("status", url)
        try:
            return strict_json(response.content), response.content
        except ValueError:
            raise FetchError("malformed", url) from None

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a body; of the answer nothing is read beyond its head. Raises `FetchError`."""
        if not self.is_allowed(url):
            raise FetchError("scheme", url)
        async with httpx2.AsyncClient(transport=self, trust_env=False, follow_redirects=False) as client:
            response = await client.post(url, content=content, headers=headers, extensions={_UNREAD: True})
        return Reply(response.status_code, response.headers.get("Retry-After"))

    async def ask(self, url: str, content: bytes, media_type: str) -> Answer:
        """Send a body and read what is answered, whatever its status. Raises `FetchError`."""
        if not self.is_allowed(url):
            raise FetchError("scheme", url)
        async with httpx2.AsyncClient(transport=self, trust_env=False, follow_redirects=False) as client:
            response = await client.post(url, content=content, headers={"Content-Type": media_type})
        return Answer(response.status_code, response.headers.get("Content-Type", ""), response.content)

    async def get(self, url: str, headers: Mapping[str, str]) -> Fetched:
        """What is at `url`, whatever the status. Raises `FetchError`, for a redirect too."""
        if not self.is_allowed(url):
            raise FetchError("scheme", url)
        async with httpx2.AsyncClient(transport=self, trust_env=False, follow_redirects=False) as client:
            response = await client.get(url, headers=headers)
        if response.has_redirect_location or response.is_redirect:
            raise FetchError("redirect", url)
        return Fetched(
            response.status_code, _media_type(response), response.headers.get("Retry-After"), response.content
        )

    def is_public_address(self, url: str) -> bool:
        """False where the host of an allowed URL is written as an address that nothing is sent to."""
        try:
            return self._allow_private or is_public(httpx2.URL(url).host)
        except ValueError:
            return True  # a name: what it stands for is looked up, and checked, with each call

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends it, and reads the whole answer. Raises `FetchError`."""
        url = str(request.url)
        if not self.is_allowed(url):
            raise FetchError("scheme", url)
        try:
            async with asyncio.timeout(self._total_timeout_s):
                return await self._send(request)
        except (TimeoutError, httpx2.TimeoutException):
            raise FetchError("timeout", url) from None
        except (httpx2.HTTPError, OSError, UnicodeError):
            raise FetchError("unreachable", url) from None

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        """Tries the host's addresses in turn, until one lets us connect."""
        for address in await self._addresses(request.url):
            try:
                return await self._send_to(address, request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        raise httpx2.ConnectError("no address of the host answers")

    async def _addresses(self, url: httpx2.URL) -> Sequence[str]:
        host, port = url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme]
        addresses = await self._lookups.join((host, port), lambda: self._resolve(host, port))
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise FetchError("address", str(url))
        return addresses

    async def _send_to(self, address: str, request: httpx2.Request) -> httpx2.Response:
        headers = httpx2.Headers({**request.headers, "Accept-Encoding": "identity", "Connection": "close"})
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=headers,  # with the Host of the name
            stream=request.stream,
            extensions={"sni_hostname": request.url.raw_host.decode("ascii"), "timeout": self._timeouts},
        )
        async with httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False) as transport:
            response = await transport.handle_async_request(pinned)
            try:
                body = b"" if _UNREAD in request.extensions else await _body(response, str(request.url))
            finally:
                await response.aclose()
        return httpx2.Response(response.status_code, headers=response.headers, content=body, request=request)


async def _body(response: httpx2.Response, url: str) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchError("encoding", url)  # we asked for none; unpacking would undo the cap
    assert isinstance(response.stream, AsyncIterable)
    body = bytearray()
    async for part in response.stream:
        body += part
        if len(body) > MAX_BODY:
            raise FetchError("too-large", url)
    return bytes(body)


def check_json(response: httpx2.Response) -> httpx2.Response:
    """The response, if it is JSON and no redirect. Raises `FetchError`."""
    url = str(response.request.url)
    if response.has_redirect_location or response.is_redirect:
        raise FetchError("redirect", url)
    if _media_type(response) not in _JSON:
        raise FetchError("content-type", url)
    return response


def _media_type(response: httpx2.Response) -> str:
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()
