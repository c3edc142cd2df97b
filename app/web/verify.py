"""For anybody, signed in or not: the page that checks a bundle inside the browser, and the one that explains receipts.

The bundle never leaves the visitor's computer: the policy of the page lets its script and its form send nothing, to us
neither.
"""

from __future__ import annotations

from starlette.responses import Response

from app.web.call import CallDep
from app.web.page_route import GET, pages

router = pages()
SCRIPT = "verify.js"
STEPS = (
    (
        "The log is rebuilt from its entries",
        "Yes",
        "Every entry in its one form, in order, under the checkpoint’s root",
    ),
    (
        "Signatures, witnesses, older checkpoints and receipts",
        "Yes",
        "By the keys that you give; receipts only with a bundle of the whole trail",
    ),
    ("Private parts and evidence against their hashes", "Yes", "What was erased must be named by an entry"),
    ("The rules are replayed over every entry", "No", "Whether each grant, token, session and role follows from them"),
    (
        "Countersignatures",
        "In part",
        "Signature, key, nonce, statement and time of each; not whether the person was an approver then",
    ),
    (
        "Provider, people and policy are derived",
        "In part",
        "Enrolment code, registration and provider; not people, policy and the grounds of grants",
    ),
    ("Times are bounded by other people’s clocks", "In part", "Sign-ins and cosignatures; not the unwitnessed tail"),
    ("Everything found is listed with its entry", "Yes", "For what is checked here"),
)
"""The verifier's eight steps: what each does, whether the page does it, and how far."""


@router.api_route("/verify", methods=GET)
async def verify(call: CallDep) -> Response:
    """Drop a bundle: it is checked in the browser. Without scripts: how to check it by the command line."""
    return call.page("verify.html", {"steps": STEPS}, scripts=(SCRIPT,), sends=False)


@router.api_route("/receipts", methods=GET)
async def receipts(call: CallDep) -> Response:
    """What the last lines of every mail are good for."""
    return call.page("receipts.html")
