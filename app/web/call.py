"""One call of a browser, with what every route needs: services, cookies, and how a page leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.actions.journey import Where
from app.actions.services import Services
from app.actions.signin import Visitor
from app.domain import role_catalogue
from app.identity import browser as browsers
from app.web import language, role_words, text, words
from app.web.static_files import static
from app.web.times import Times, country, lasted, length, number

SESSION = "countersign"
BROWSER = "countersign-browser"
MAX_AGENT = 400

_TEMPLATES = Environment(
    loader=PackageLoader("app.web"),
    extensions=["jinja2.ext.i18n"],
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_TEMPLATES.policies["ext.i18n.trimmed"] = True
_TEMPLATES.install_gettext_callables(  # type: ignore[attr-defined] # the extension adds it
    language.translated,
    language.counted,
    newstyle=True,
    pgettext=language.in_context,
    npgettext=language.counted_in_context,
)
_TEMPLATES.filters |= {"shown": text.shown, "duration": length, "country": country, "lasted": lasted}
_TEMPLATES.filters |= {"bdi": text.isolated, "first_up": text.first_up, "told": language.of_others, "number": number}
_TEMPLATES.globals |= {"static": static, "safe_link": text.safe_link, "PRODUCTS": words.PRODUCTS, "ROLES": words.ROLES}
_TEMPLATES.globals |= {"PHASES": words.PHASES, "GROUNDS": words.GROUNDS, "place_of": words.place_of}
_TEMPLATES.globals |= {"seen": role_words.seen, "changed": role_words.changed, "effect_words": role_words.effect_words}
_TEMPLATES.globals |= {"effect_of": role_catalogue.effect_of, "catalogue": role_catalogue}
_TEMPLATES.globals |= {"role_count": words.role_count, "comma": words.comma}
_TEMPLATES.globals |= {"language": language.language, "direction": language.direction}
_TEMPLATES.globals["mount"] = ""  # where our pages begin: at the host itself, but for the gate's


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the pages stand (no slash at the end), and whether over TLS, so that cookies are bound to it.

    `recorder`: the gate serves the recorder of pages, and takes what it records.
    """

    base_url: str
    secure: bool
    recorder: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `browser` is the cookie that binds journeys and forms without a session to this browser."""

    request: Request
    services: Services
    web: WebSettings
    browser: str
    fresh: bool

    @property
    def session(self) -> str | None:
        """The session cookie."""
        return self.request.cookies.get(self._name(SESSION))

    @property
    def where(self) -> Where:
        """Where the call came from."""
        client = self.request.client
        agent = self.request.headers.get("user-agent", "")
        return Where("" if client is None else client.host, text.shown(agent)[:MAX_AGENT])

    @property
    def browser_csrf(self) -> str:
        """The token of forms that need no session."""
        return browsers.csrf_token(self.services.secrets.derive("csrf/browser"), self.browser)

    def page(
        self,
        template: str,
        values: Mapping[str, Any] = MappingProxyType({}),
        *,
        status: int = 200,
        visitor: Visitor | None = None,
        origins: tuple[str, ...] = (),
        scripts: tuple[str, ...] = (),
        plays: bool = False,
        sends: bool = True,
    ) -> Response:
        """A page. `origins`: where its forms may lead beside our own, because browsers judge redirects of forms too;
        `scripts`: the static files that may run in it; `plays`: it shows recorded pages, styles of theirs included;
        `sends`: its forms and scripts may send something to us.
        """
        csrf = self.browser_csrf if visitor is None else visitor.csrf
        times = None if visitor is None else Times(ZoneInfo(visitor.time_zone))
        html = render(template, {"visitor": visitor, "csrf": csrf, "times": times} | dict(values))
        response = HTMLResponse(html, status)
        response.headers["Content-Security-Policy"] = content_policy(
            origins if visitor is None else (*origins, *visitor.signs_out_at),
            tuple(f"{self.web.base_url}{static(name)}" for name in scripts),
            plays=f"{self.web.base_url}{static('icon.svg')}" if plays else "",
            sends=sends,
        )
        if visitor is None:
            self.keep_browser(response)
        return response

    def go(self, url: str) -> RedirectResponse:
        """On to another address, by GET."""
        return RedirectResponse(url, 303)

    def keep_browser(self, response: Response, value: str | None = None) -> None:
        """Set the browser's cookie where it has none yet, or another `value`."""
        if self.fresh or value not in {None, self.browser}:
            self._set(response, BROWSER, value or self.browser)

    def keep_session(self, response: Response, value: str) -> None:
        """Set the session cookie."""
        self._set(response, SESSION, value)

    def drop_session(self, response: Response) -> None:
        """Take the session cookie away."""
        response.delete_cookie(self._name(SESSION), path="/", secure=self.web.secure, httponly=True, samesite="lax")

    def _set(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(self._name(name), value, path="/", secure=self.web.secure, httponly=True, samesite="lax")

    def _name(self, name: str) -> str:
        return browsers.cookie_name(name, secure=self.web.secure)


def render(template: str, values: Mapping[str, Any]) -> str:
    """The text of a page. Pure."""
    return _TEMPLATES.get_template(template).render(values)


def content_policy(
    origins: tuple[str, ...] = (), scripts: tuple[str, ...] = (), *, plays: str = "", sends: bool = True
) -> str:
    """The Content-Security-Policy of a page: our style sheet and pictures, forms to us and `origins`, and no script but
    the files at `scripts`, which may ask us alone.

    `plays`: recorded pages are shown inside, with their inline styles, and with no picture but those they hold, and our
    icon, whose address this is. Not `sends`: the browser itself sees to it that nothing leaves the page.
    """
    targets = " ".join(("'self'", *origins)) if sends else "'none'"
    asks = "'self'" if sends else "'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    runs = f"script-src {' '.join(scripts)}; connect-src {asks}" if scripts else "script-src 'none'"
    shows = "style-src 'self'; img-src 'self' data:"
    if plays:
        shows = f"style-src 'self' 'unsafe-inline'; img-src data: {plays}"
    return f"default-src 'none'; {runs}; {shows}; base-uri 'none'; frame-ancestors 'none'; form-action {targets}"


def call_of(request: Request) -> Call:
    """The call of a request."""
    state = request.app.state
    cookie = request.cookies.get(browsers.cookie_name(BROWSER, secure=state.web.secure))
    return Call(request, state.services, state.web, cookie or browsers.new_secret(), not cookie)


CallDep = Annotated[Call, Depends(call_of)]
