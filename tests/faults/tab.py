"""A browser tab of one person, whose every press is written down."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

import httpx2

from demo.browser import Form, Page
from tests.actions.worlds import CODE, TLS
from tests.faults.history import Call, History, Outcome, Unknown
from tests.faults.provider import COOKIE
from tests.faults.service import Service


def judge(call: Call, answer: httpx2.Response, *good: int) -> None:
    """Note what an answer says. 503 is no word on whether it took effect; any other 5xx is a fault."""
    if answer.status_code in good:
        call.acknowledge(status=answer.status_code)
    elif answer.status_code == 503:
        call.outcome = Outcome.UNKNOWN
        raise Unknown
    elif answer.status_code >= 500:
        raise AssertionError(f"{call.kind} was answered {answer.status_code}: {answer.text[:500]}")
    else:
        call.refuse(status=answer.status_code)


class Tab:
    """Cookies of their own. Whatever breaks off raises `Unknown`."""

    def __init__(self, service: Service, history: History, email: str) -> None:
        self.email = email
        self._service, self._history = service, history
        self._client = httpx2.AsyncClient(trust_env=False, timeout=30, verify=TLS, cookies={COOKIE: email})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def open(self, path: str) -> Page:
        """Go to a page of ours; where it wants to know who is there, sign in first."""
        page = await self._look(path)
        if urlsplit(page.url).path.startswith("/sign-in"):
            await self.sign_in()
            page = await self._look(path)
        return page

    async def sign_in(self, onward: str = "/requests") -> Page:
        """Sign in anew."""
        door = await self._look(f"/sign-in/{CODE}?next={onward}")
        return await self.press(door.form(f"/sign-in/{CODE}"), "depart", "", back="sign-in")

    async def press(self, form: Form, kind: str, what: str, *, back: str = "", **changes: str) -> Page:
        """Send a form as a call of the kind; `back` is the kind of the call by which a provider sends us back."""
        parts = urlsplit(form.action)
        headers = {"Origin": f"{parts.scheme}://{parts.netloc}", "Sec-Fetch-Site": "same-origin"}
        async with self._history.call(kind, what, self.email) as call:
            answer = await self._client.post(form.action, data=form.filled(**changes), headers=headers)
            judge(call, answer, 303, 200)
        return await self._follow(answer, back, what)

    async def download(self, form: Form, **changes: str) -> bytes:
        """Send a form that is answered with a file."""
        answer = await self._client.post(form.action, data=form.filled(**changes))
        assert answer.status_code == 200, answer.text
        return answer.content

    async def reload(self, url: str, kind: str, what: str) -> None:
        """Ask again for an address whose answer never came."""
        await self._back(url, kind, what)

    async def _look(self, path: str) -> Page:
        await self._service.up.wait()
        return await self._follow(await self._get(self._service.base_url + path), "", "")

    async def _follow(self, answer: httpx2.Response, back: str, what: str) -> Page:
        path = [str(answer.url)]
        while answer.next_request is not None:
            target = answer.next_request.url
            callback = target.path.startswith("/callback/")
            answer = await (self._back(str(target), back, what) if callback else self._get(str(target)))
            path.append(str(answer.url))
        return Page(tuple(path), answer.status_code, answer.text)

    async def _back(self, url: str, kind: str, what: str) -> httpx2.Response:
        async with self._history.call(kind, what, self.email) as call:
            call.answer["url"] = url
            answer = await self._client.get(url)
            judge(call, answer, 303)
        return answer

    async def _get(self, url: str) -> httpx2.Response:
        try:
            answer = await self._client.get(url)
        except httpx2.TransportError as error:
            raise Unknown from error
        if answer.status_code == 503:
            raise Unknown
        assert answer.status_code < 500, f"{url} was answered {answer.status_code}: {answer.text[:500]}"
        return answer
