"""The main job without hands: each step as the demo's people and systems take it, and what was seen.

A step's docstring is the line it is told by. Nothing is believed from one side alone: what a page says is compared with
the API, the mail and the provider, and in the end with an offline verification.
"""

from __future__ import annotations

import html
import json
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from demo.browser import Browser
from demo.gatewalk import GateWalk
from demo.parties import ACCESS_REQUEST, AUDITOR, CODE, HEAD, LIBRARIAN, at_provider, enrol, sign_in
from demo.parts import Part
from demo.stage import Stage
from demo.steps import expect

PATIENCE_S = 20.0


class Walk:
    """One walk over a stage. Each step gives what was seen, and leaves to later ones what they go on with."""

    def __init__(self, stage: Stage, stack: ExitStack) -> None:
        self.stage = stage
        self.stack = stack
        self.service: Part | None = None
        self.entries = 0
        self.verified = False
        self._receipt: Path | None = None
        self._api = stack.enter_context(httpx2.Client(base_url=stage.base_url, trust_env=False, timeout=30))
        self._gate = GateWalk(stage, stack)
        self._head, self._librarian, self._auditor = (stack.enter_context(Browser()) for _ in range(3))

    def steps(self) -> list[Callable[[], str]]:
        """In their order."""
        return [
            self._start_parts,
            self._apply,
            self._serve,
            self._enrol,
            self._bind,
            self.request,
            self.mail,
            self._review,
            self._answer,
            self._countersign,
            self.mint,
            self._introspect,
            self._gate.closed,
            self._enter,
            self.export,
            self._revoke,
            self._gate.cut_off,
            self._introspect_again,
            self._mint_again,
            self._export_again,
        ]

    def until_minted(self) -> list[Callable[[], str]]:
        """The steps until there is a token."""
        steps = self.steps()
        return steps[: steps.index(self.mint) + 1]

    # -- the parts -----------------------------------------------------------------------------------------------------

    def _start_parts(self) -> str:
        """A mail sink and the institutions' identity providers start."""
        self.stage.prepare()
        for part in self.stage.start_parts(self.stack):
            part.wait()
        return f"mails show at {self.stage.mail_url}, {CODE} signs in at {self.stage.issuer_of(CODE)}"

    def _apply(self) -> str:
        """The database is made, and the world file applied."""
        self.stage.run("migrate")
        self.stage.apply()
        self._code = self.stage.enrolment_codes()[CODE]
        return f"{CODE} has the enrolment code {self._code}"

    def _serve(self) -> str:
        """The service starts."""
        self.service = self.stage.serve(self.stack)
        return f"ready at {self.stage.base_url}"

    # -- enrolment -----------------------------------------------------------------------------------------------------

    def _enrol(self) -> str:
        """The first admin signs in at the institution's provider and confirms the enrolment code."""
        page = enrol(self._head, self.stage, self._code)
        expect(page.status == 200, f"{page.url} answered {page.status}")
        return f"{HEAD} is in, {page.url}"

    def _bind(self) -> str:
        """An approver's first sign-in waits until the admin says that it is theirs."""
        at = sign_in(self._librarian, self.stage, self._librarian.open(self._url(f"/sign-in/{CODE}")), LIBRARIAN)
        expect(at.status == 403, f"the first sign-in was answered {at.status} at {at.url}")
        people = self._head.open(self._url("/settings/people"))
        page = self._head.send(people.form("/settings/people"), binding="confirm")
        expect(page.status == 200, f"{page.url} answered {page.status}")
        return f"{LIBRARIAN} was answered {at.status}, then {HEAD} confirmed the account"

    # -- the request ---------------------------------------------------------------------------------------------------

    def request(self) -> str:
        """The vendor's support console files an access request."""
        self._console = self._authorization("support-console")
        answer = self._api.post("/v1/access-requests", json=ACCESS_REQUEST, headers=self._console)
        expect(answer.status_code == 201, answer.text)
        self.filed = answer.json()
        self._check_code = str(self.filed["check_code"])
        expect(self.filed["status"] == "pending", answer.text)
        return f"{self.filed['number']} is pending, check code {self._check_code}"

    def mail(self) -> str:
        """A mail reaches the approvers."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := [mail for mail in self._mails() if self._check_code in mail["text"]]):
            expect(time.monotonic() < deadline, f"no mail with the check code in {PATIENCE_S:.0f} s")
            time.sleep(0.1)
        self._receipt = self._keep("receipt.eml", self._fetch(f"{self.stage.mail_url}{found[0]['raw']}"))
        self.link = next(link for link in found[0]["links"] if link.startswith(self._url("/r/")))
        return f"“{found[0]['subject']}” to {found[0]['to'][0]}, with the same check code"

    def _review(self) -> str:
        """An approver follows the mail's link, signs in at the own provider, and reads."""
        landing = self._librarian.open(self.link)
        told = [word for word in ("06543210", "Tier 3", self._check_code) if word in landing.text]
        expect(landing.status == 200 and not told, f"the landing page answered {landing.status} and tells {told}")
        self._page = sign_in(self._librarian, self.stage, landing, LIBRARIAN)
        expect(self._page.url == self.filed["links"]["page"], f"{self._page.url} ({self._page.status})")
        expect(self._check_code in self._page.text, "the page does not show the check code")
        return "the link alone tells nothing of the case; the request's page shows the same check code"

    def _answer(self) -> str:
        """The approver answers, and checks the statement to sign."""
        self._page = self._librarian.send(self._page.form("/answer"), decision="approve", window="full")
        found = re.search(r'<pre id="statement"[^>]*>(.*?)</pre>', self._page.text, re.DOTALL)
        expect(found is not None, f"{self._page.url} ({self._page.status}) holds no statement")
        self._statement = html.unescape(found[1]) if found else ""
        return str(json.loads(self._statement)["text"])

    def _countersign(self) -> str:
        """A fresh sign-in, whose nonce is the statement's hash, countersigns the approval."""
        nonce = urlsafe_b64encode(sha256(self._statement.encode()).digest()).rstrip(b"=").decode()
        at = self._librarian.send(self._page.form(urlsplit(self._page.url).path))
        asked = [parse_qs(urlsplit(url).query).get("nonce") for url in at.path]
        expect([nonce] in asked, f"the provider was asked for the nonces {asked}, not for {nonce}")
        page = at_provider(self._librarian, at, LIBRARIAN)
        seen = self.read()
        expect((seen["status"], seen["ground"]) == ("active", "approval"), f"{page.url} ({page.status}), {seen}")
        return f"nonce {nonce}; access until {seen['grant']['not_after']}"

    # -- its use -------------------------------------------------------------------------------------------------------

    def mint(self) -> str:
        """The support console gets an approval token."""
        answer = self._api.post(self._path("/token"), headers=self._console)
        expect(answer.status_code == 201, answer.text)
        self.token = answer.json()["access_token"]
        return f"good until {answer.json()['expires_at']}"

    def _introspect(self) -> str:
        """The vendor's gateway finds the token active."""
        seen = self.introspection()
        expect(seen["active"] is True, seen)
        (detail,) = seen["authorization_details"]
        return f"{detail['account']} may enter {detail['environment']} of {detail['institution']}, as {seen['sub']}"

    def _enter(self) -> str:
        """The engineer enters the gate with it, by a sign-in at the vendor's provider."""
        return self._gate.entered(self.token)

    def export(self) -> str:
        """The institution's auditor takes the trail home and verifies it offline."""
        page = sign_in(self._auditor, self.stage, self._auditor.open(self._url(f"/sign-in/{CODE}")), AUDITOR)
        expect(page.status == 200, f"{page.url} answered {page.status}")
        return self._verify("bundle.zip")

    def _revoke(self) -> str:
        """The approver takes the access back in one press."""
        page = self._librarian.open(self.filed["links"]["page"])
        page = self._librarian.send(page.form("/revoke"))
        seen = self.read()
        expect(seen["status"] == "revoked", f"{page.url} ({page.status}), {seen}")
        return f"the grant ended at {seen['grant']['ended_at']}"

    def _introspect_again(self) -> str:
        """The gateway finds the token inactive."""
        seen = self.introspection()
        expect(seen == {"active": False}, seen)
        return json.dumps(seen)

    def _mint_again(self) -> str:
        """The support console gets no other token."""
        answer = self._api.post(self._path("/token"), headers=self._console)
        expect(answer.status_code == 410, answer.text)
        return f"410 {answer.json()['detail']}"

    def _export_again(self) -> str:
        """The whole trail, revocation included, verifies offline."""
        seen = self._verify("whole.zip")
        self.verified = True
        return seen

    # -- what steps share ----------------------------------------------------------------------------------------------

    def _url(self, path: str) -> str:
        return f"{self.stage.base_url}{path}"

    def _path(self, what: str = "") -> str:
        return f"/v1/access-requests/{self.filed['id']}{what}"

    def _authorization(self, client: str) -> dict[str, str]:
        answer = self._api.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(client, self.stage.secret_of(client)),
        )
        expect(answer.status_code == 200, answer.text)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def read(self) -> dict[str, Any]:
        """The request as the support console reads it."""
        answer = self._api.get(self._path(), headers=self._console)
        expect(answer.status_code == 200, answer.text)
        return dict(answer.json())

    def introspection(self) -> dict[str, Any]:
        """What the gateway is told of the token."""
        gateway = self._authorization("gateway")
        answer = self._api.post("/oauth2/introspect", data={"token": self.token}, headers=gateway)
        expect(answer.status_code == 200, answer.text)
        return dict(answer.json())

    def _mails(self) -> list[dict[str, Any]]:
        return list(json.loads(self._fetch(f"{self.stage.mail_url}/mails.json")))

    def _fetch(self, url: str) -> bytes:
        return self._api.get(url).raise_for_status().content

    def _keep(self, name: str, content: bytes) -> Path:
        path = self.stage.folder / name
        path.write_bytes(content)
        return path

    def _verify(self, name: str) -> str:
        """Export as the auditor, then verify."""
        page = self._auditor.open(self._url("/trail"))
        bundle = self._keep(name, self._auditor.download(page.form("/trail/export"), **{"as": "bundle"}))
        report = self.verify(bundle)
        self.entries = report["entries"]
        return f"{self.entries} entries, {len(report['grants'])} grant by approval, no finding, anchored"

    @cached_property
    def vkey(self) -> str:
        """The verifier key of the institution's log, as the operator tells it once."""
        keys = self.stage.run("keys", "list").split()
        return next(key for key in keys if key.partition("+")[0].endswith(f"/{CODE}"))

    def verify(self, bundle: Path) -> dict[str, Any]:
        """Verify a bundle with what the institution itself has: keys, code, and a mail's receipt, once there is one."""
        jwks = self._keep("idp-jwks.json", self._fetch(f"{self.stage.issuer_of(CODE)}/jwks"))
        anchors = [f"--vkey={self.vkey}", f"--enrolment={self.stage.enrolment_codes()[CODE]}", f"--idp-jwks={jwks}"]
        anchors += [f"--receipt={self._receipt}"] if self._receipt is not None else []
        report: dict[str, Any] = json.loads(self.stage.run("verify", bundle, *anchors, "--json", codes=(0, 1, 2, 3)))
        expect(report["exit_code"] == 0, report)
        return report
