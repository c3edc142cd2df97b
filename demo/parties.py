"""What the demo's people and systems do at the pages and at the API."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from demo.browser import Browser, Page
from demo.stage import Stage

CODE = "01EXU_INST"
HEAD, LIBRARIAN, AUDITOR = "head@example.edu", "librarian@example.edu", "auditor@example.edu"
ACCESS_REQUEST: dict[str, Any] = {
    "institution": CODE,
    "environment": "alma-production",
    "account": "exl_impl",
    "case": {
        "number": "06543210",
        "title": "Nightly fulfilment job fails",
        "severity": "high",
        "escalated": True,
        "url": "https://support.vendor.example/cases/06543210",
    },
    "engineer": {"id": "e1234", "name": "Tier 3 engineer", "email": "e1234@vendor.example", "works_from": "IE"},
    "endorser": {"id": "e1200", "name": "Support lead"},
    "extends": None,
    "reason": "Read the configuration of the job and run it again with tracing.",
    "roles": ["Fulfillment Administrator"],
    "window": {"not_before": None, "minutes": 240},
}


def sign_in(browser: Browser, stage: Stage, page: Page, login: str) -> Page:
    """From a page that offers the sign-in, through the provider's own form, to the page that was wanted."""
    return at_provider(browser, stage, browser.send(page.form(f"/sign-in/{CODE}")), login)


def at_provider(browser: Browser, stage: Stage, page: Page, login: str) -> Page:
    """Fill the provider's form. Raises `LookupError` where the provider shows none."""
    if not page.url.startswith(stage.issuer_of(CODE)):
        raise LookupError(f"the provider should ask who is there, but {page.url} ({page.status}) is shown")
    return browser.send(page.form(urlsplit(page.url).path), login=login)


def enrol(browser: Browser, stage: Stage, code: str) -> Page:
    """The first admin signs in and types the enrolment code, where the page still asks for it."""
    page = sign_in(browser, stage, browser.open(f"{stage.base_url}/enrol/{CODE}"), HEAD)
    for form in page.forms(f"/enrol/{CODE}"):
        return browser.send(form, enrolment_code=code)
    return page
