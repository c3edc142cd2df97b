"""Who may come in: sessions, forms and their origin. Permission stands in a route's signature.

A form counts when it is an ordinary form, was sent by one of our own pages as far as the browser tells, and carries the
token of the session (or of the browser, where nobody is signed in yet). OWASP CSRF Prevention; Fetch Metadata.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, quote

from fastapi import Depends, Request

from app.actions import signin
from app.actions.signin import Visitor
from app.domain.errors import Refusal, Refused
from app.identity import browser as browsers
from app.web import language
from app.web.call import Call, CallDep

FORM = "application/x-www-form-urlencoded"
MAX_FORM = 256 * 1024
MAX_FIELDS = 200
HOME = "/requests"
_FOREIGN = Refusal("form-refused", "This form did not come from a page of this service that you opened.")


class Elsewhere(Exception):
    """The browser goes to another page of ours instead."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent, in order."""

    fields: tuple[tuple[str, str], ...] = ()

    def one(self, name: str) -> str:
        """The value of a field that stands once; "" for none and for several."""
        values = self.all(name)
        return values[0] if len(values) == 1 else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field."""
        return tuple(value for key, value in self.fields if key == name)


async def anybody_signed_in(call: CallDep) -> Visitor:
    """Whoever is signed in, an admin about to enrol included; else off to the sign-in."""
    return await _visitor(call, used=True)


async def _visitor(call: Call, *, used: bool) -> Visitor:
    visitor = await signin.visitor(call.services, call.session, used=used)
    if visitor is None:
        raise Elsewhere(f"/sign-in?next={quote(_way_back(call), safe='/')}")
    call.request.state.visitor = visitor
    language.speak(visitor.locale)
    return visitor


async def signed_in(visitor: Annotated[Visitor, Depends(anybody_signed_in)]) -> Visitor:
    """Somebody of an institution, bound to their account."""
    return _bound(visitor)


async def staying(call: CallDep) -> Visitor:
    """The same, for what an open page asks by itself: that is no use of the sign-in."""
    return _bound(await _visitor(call, used=False))


def _bound(visitor: Visitor) -> Visitor:
    if visitor.enrolling:
        raise Elsewhere(f"/enrol/{visitor.code}")
    return visitor


async def sent_form(call: CallDep) -> Form:
    """A form from one of our own pages, its token not judged yet. Raises `Refused`."""
    headers = call.request.headers
    if not from_our_page(headers.get("origin"), headers.get("sec-fetch-site"), call.web.base_url):
        raise Refused(_FOREIGN)
    return await read_form(call.request)


async def read_form(request: Request) -> Form:
    """A form, whoever sent it. Raises `Refused`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Refused(Refusal("unsupported-media-type", f"Only forms are taken here, as {FORM}."))
    try:
        text = (await read_body(request, MAX_FORM)).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise Refused(Refusal("validation", "The form cannot be read.")) from error
    return Form(tuple(pairs))


async def visitors_form(
    form: Annotated[Form, Depends(sent_form)], visitor: Annotated[Visitor, Depends(anybody_signed_in)]
) -> Form:
    """A form of somebody signed in, with the token of their session. Raises `Refused`."""
    return _judged(form, visitor.csrf)


async def strangers_form(form: Annotated[Form, Depends(sent_form)], call: CallDep) -> Form:
    """A form of a browser that nobody is signed in with, with the token of its cookie. Raises `Refused`."""
    if call.fresh:
        raise Refused(_FOREIGN)
    return _judged(form, call.browser_csrf)


SignedIn = Annotated[Visitor, Depends(signed_in)]
Staying = Annotated[Visitor, Depends(staying)]
AnybodySignedIn = Annotated[Visitor, Depends(anybody_signed_in)]
SentForm = Annotated[Form, Depends(sent_form)]
VisitorsForm = Annotated[Form, Depends(visitors_form)]
StrangersForm = Annotated[Form, Depends(strangers_form)]


def from_our_page(origin: str | None, site: str | None, base_url: str) -> bool:
    """Whether what the browser tells of a form's page allows it. `Origin: null` is what a referrer policy may leave."""
    if site not in {None, "same-origin", "none"}:
        return False
    return origin in {None, base_url} or (origin == "null" and site == "same-origin")


def _judged(form: Form, token: str) -> Form:
    if not browsers.same(form.one("csrf"), token):
        raise Refused(_FOREIGN)
    return form


def _way_back(call: Call) -> str:
    """Where somebody goes on after the sign-in: this page, or the request or session that a form was about."""
    path = call.request.url.path
    if call.request.method in {"GET", "HEAD"}:
        return path
    about = re.match(r"/(requests|sessions)/[A-Za-z0-9_]+", path)
    return HOME if about is None else about[0]


async def read_body(request: Request, most: int) -> bytes:
    """A body of at most so many bytes. Raises `Refused` too-large."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise Refused(Refusal("too-large", "This is too large; shorten what you wrote."))
    return bytes(body)
