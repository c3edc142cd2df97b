"""What the demo's people and systems do at the pages and at the API."""

from __future__ import annotations

from typing import Any

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
    """From a page that offers the sign-in to the page that was wanted; a provider may remember who is there."""
    page = browser.send(page.form(f"/sign-in/{CODE}"))
    return at_provider(browser, page, login) if page.url.startswith(stage.issuer_of(CODE)) else page


def at_provider(browser: Browser, page: Page, login: str) -> Page:
    """Fill the form with which a provider asks who is there. Raises `LookupError` where this is another page."""
    return browser.send(page.form(f"/interaction/{page.url.rpartition('/')[2]}"), login=login)


def enrol(browser: Browser, stage: Stage, code: str) -> Page:
    """The first admin signs in and types the enrolment code, where the page still asks for it."""
    page = sign_in(browser, stage, browser.open(f"{stage.base_url}/enrol/{CODE}"), HEAD)
    for form in page.forms(f"/enrol/{CODE}"):
        return browser.send(form, enrolment_code=code)
    return page
