"""An honest provider at which each browser is somebody: the cookie says who, so that many may sign in at once."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from tests.identity.malicious_provider import Json, MaliciousProvider

COOKIE = "who"


class Provider(MaliciousProvider):
    """`/authorize` signs in whoever the cookie names, by e-mail."""

    async def _authorize(self, request: Request) -> Response:
        answer = await super()._authorize(request)
        (code,) = parse_qs(urlsplit(answer.headers["location"]).query)["code"]
        self._codes[code][COOKIE] = request.cookies[COOKIE]
        return answer

    def _id_token(self, asked: Json, access_token: str, code: str) -> str:
        self.email = asked[COOKIE]
        self.sub = f"sub-of-{self.email}"
        return super()._id_token(asked, access_token, code)
