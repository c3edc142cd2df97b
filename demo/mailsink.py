"""A mail server that keeps what it gets and shows it on a page.

`python -m demo.mailsink --smtp-port 1025 --http-port 8025`, on 127.0.0.1 and in memory only: the last `KEPT` mails.
`/` lists them, `/mails/{n}` shows one (its HTML in a sandboxed frame), `/mails/{n}.eml` is what came in, byte for byte,
and `/mails.json` is all of it for scripts.
"""

from __future__ import annotations

import argparse
import asyncio
import email
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import DictLoader, Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

HOST = "127.0.0.1"
KEPT = 1000
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'none'; base-uri 'self'"
_STYLE = """
body{margin:0 auto;max-width:60rem;padding:24px 16px;background:#f5f6f3;color:#1a2226;font:1rem/1.5 system-ui}
a{color:#0b5a5c}table{width:100%;border-collapse:collapse}td,th{padding:8px;border-top:1px solid #dbe0dc}
th{text-align:start}td,h1,dd{overflow-wrap:anywhere}iframe{width:100%;height:70rem;border:0;background:#fff}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#fff;border:1px solid #dbe0dc;padding:16px}
"""
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Mail sink</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>{{ style }}</style>
{% block body %}{% endblock %}
"""
_LIST = """{% extends "page" %}{% block body %}<h1>Mail sink</h1>
<table><tr><th>At<th>To<th>Subject</tr>
{% for mail in mails %}<tr><td>{{ mail.received_at }}<td>{{ mail.to|join(", ") }}
<td><a href="/mails/{{ mail.n }}"><bdi>{{ mail.subject }}</bdi></a></tr>
{% else %}<tr><td colspan="3">No mail yet.</tr>
{% endfor %}</table>{% endblock %}
"""
_MAIL = """{% extends "page" %}{% block body %}<p><a href="/">All mails</a></p><h1><bdi>{{ mail.subject }}</bdi></h1>
<dl><dt>From<dd>{{ mail.sender }}<dt>To<dd>{{ mail.to|join(", ") }}
<dt>Links<dd>{% for link in mail.links %}<a href="{{ link }}" rel="noreferrer">{{ link }}</a> {% endfor %}
<dt>Raw<dd><a href="/mails/{{ mail.n }}.eml">as it came in</a></dl>
{% if html %}<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" title="The mail"
srcdoc="{{ '<base target=_blank>' + html }}"></iframe>{% endif %}
<h2>Text</h2><pre dir="auto">{{ mail.text }}</pre>{% endblock %}
"""
_PAGES = Environment(autoescape=True, loader=DictLoader({"page": _PAGE, "list": _LIST, "mail": _MAIL}))


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, read for people and scripts; `links` are the distinct http(s) addresses in its text part."""

    n: int
    received_at: str
    sender: str
    to: list[str]
    subject: str
    message_id: str
    text: str
    links: list[str]


class MailSink:
    """What came in, newest last. It is the handler of the SMTP side and the state of the HTTP side."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self._raw: dict[int, bytes] = {}
        self._count = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 aiosmtpd's name
        """Keeps one mail."""
        raw = envelope.original_content or b""
        self._count += 1
        self._raw[self._count] = raw
        self.mails.append(_read(self._count, raw, envelope))
        for old in self.mails[:-KEPT]:
            del self._raw[old.n]
        del self.mails[:-KEPT]
        return "250 Kept"

    def mail(self, n: int) -> tuple[Mail, bytes]:
        """The mail with this number and its bytes. Raises `HTTPException` where there is none."""
        for mail in self.mails:
            if mail.n == n:
                return mail, self._raw[n]
        raise HTTPException(404)


def _read(n: int, raw: bytes, envelope: Envelope) -> Mail:
    message = email.message_from_bytes(raw, policy=default)
    text = _part(message, "plain")
    return Mail(
        n,
        datetime.now(UTC).isoformat(timespec="seconds"),
        str(message["From"] or envelope.mail_from),
        list(envelope.rcpt_tos),
        str(message["Subject"] or ""),
        str(message["Message-ID"] or ""),
        text,
        list(dict.fromkeys(re.findall(r"https?://[^\s<>\"']+", text))),
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


def pages(sink: MailSink) -> Starlette:
    """The HTTP side."""

    def page(name: str, **values: object) -> HTMLResponse:
        html = _PAGES.get_template(name).render(style=_STYLE, **values)
        return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})

    async def listing(_request: Request) -> Response:
        return page("list", mails=sink.mails[::-1])

    async def one(request: Request) -> Response:
        mail, raw = sink.mail(request.path_params["n"])
        return page("mail", mail=mail, html=_part(email.message_from_bytes(raw, policy=default), "html"))

    async def eml(request: Request) -> Response:
        mail, raw = sink.mail(request.path_params["n"])
        headers = {"Content-Disposition": f'attachment; filename="{mail.n}.eml"', "X-Content-Type-Options": "nosniff"}
        return Response(raw, media_type="message/rfc822", headers=headers)

    async def as_json(_request: Request) -> Response:
        return JSONResponse([{**asdict(mail), "raw": f"/mails/{mail.n}.eml"} for mail in sink.mails])

    return Starlette(
        routes=[
            Route("/", listing),
            Route("/mails.json", as_json),
            Route("/mails/{n:int}.eml", eml),
            Route("/mails/{n:int}", one),
        ]
    )


@asynccontextmanager
async def smtp_side(sink: MailSink, port: int) -> AsyncIterator[int]:
    """Listens for mail while open; gives the port (a free one for 0)."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink, hostname="mailsink.localhost", loop=loop), HOST, port)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def serve(smtp_port: int, http_port: int) -> None:
    """Both sides, until a signal ends the process; says so once both listen. Raises `OSError` for a taken port."""
    sink = MailSink()
    server = uvicorn.Server(uvicorn.Config(pages(sink), log_level="warning"))
    with socket.create_server((HOST, http_port)) as listener:
        async with smtp_side(sink, smtp_port) as port:
            address = f"http://{HOST}:{listener.getsockname()[1]}/"
            print(f"Mail goes to smtp://{HOST}:{port}, and shows at {address}", flush=True)
            await server.serve(sockets=[listener])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m demo.mailsink", description=__doc__)
    parser.add_argument("--smtp-port", type=int, default=1025)
    parser.add_argument("--http-port", type=int, default=8025)
    wanted = parser.parse_args()
    asyncio.run(serve(wanted.smtp_port, wanted.http_port))


if __name__ == "__main__":
    main()
