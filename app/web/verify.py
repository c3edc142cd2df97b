"""For anybody, signed in or not: the page that checks a bundle inside the browser, and the one that explains receipts.

The bundle never leaves the visitor's computer: the policy of the page lets its script and its form send nothing, to us
neither.
"""

from __future__ import annotations

from starlette.responses import Response

from app.domain.languages import msg
from app.web.call import CallDep
from app.web.page_route import GET, pages

router = pages()
SCRIPT = "verify.js"
STEPS = (
    (
        msg("The log is rebuilt from its entries"),
        msg("Yes"),
        msg("Every entry in its one form, in order, under the checkpoint’s root"),
    ),
    (
        msg("Signatures, witnesses, older checkpoints and receipts"),
        msg("Yes"),
        msg("By the keys that you give; receipts only with a bundle of the whole trail"),
    ),
    (
        msg("Private parts and evidence against their hashes"),
        msg("Yes"),
        msg("What was erased must be named by an entry"),
    ),
    (
        msg("The rules are replayed over every entry"),
        msg("No"),
        msg("Whether each grant, token, session and role follows from them"),
    ),
    (
        msg("Countersignatures"),
        msg("In part"),
        msg("Signature, key, nonce, statement and time of each; not whether the person was an approver then"),
    ),
    (
        msg("Provider, people and policy are derived"),
        msg("In part"),
        msg("Enrolment code, registration and provider; not people, policy and the grounds of grants"),
    ),
    (
        msg("Times are bounded by other people’s clocks"),
        msg("In part"),
        msg("Sign-ins and cosignatures; not the unwitnessed tail"),
    ),
    (msg("Everything found is listed with its entry"), msg("Yes"), msg("For what is checked here")),
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
