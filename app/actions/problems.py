"""Every problem this service answers with: what it is called, the status it has over HTTP, and what helps.

One table, read by the API, by the pages that explain a problem, and by the description of the API. A refusal whose
problem does not stand here is a fault, which a test finds.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.languages import msg

_RETRY = msg(
    "Nothing was changed. Wait as long as `Retry-After` says, then ask again; with the same Idempotency-Key, if any."
)
_READ_AGAIN = msg("Read the request again: its `status` says what may still be done.")
_SIGN_IN = msg("Begin the sign-in again, in one browser window, with cookies allowed.")
_ASK_ADMIN = msg("Ask an admin of the institution; they keep its people and their roles.")

_PROBLEMS: Mapping[str, tuple[int, str, str]] = {
    # What any call may meet.
    "malformed": (
        400,
        msg("The body cannot be read"),
        msg("Send one JSON value in UTF-8, each member of an object once."),
    ),
    "unauthorized": (
        401,
        msg("Who calls is not known"),
        msg(
            "Get an access token at /oauth2/token and send it as `Authorization: Bearer …`; a token lasts ten minutes."
        ),
    ),
    "insufficient-scope": (
        403,
        msg("The token does not reach this far"),
        msg("Ask for a token with the scope named in `scope`; if the client does not have it, ask the operator."),
    ),
    "forbidden": (403, msg("Your roles do not allow this"), _ASK_ADMIN),
    "not-found": (
        404,
        msg("Nothing is here for you"),
        msg("Check the id and the institution. What is not yours to see is answered as if it did not exist."),
    ),
    "method-not-allowed": (405, msg("There is no such method here"), msg("Use one of the methods that `Allow` names.")),
    "stale": (
        412,
        msg("It has changed since you read it"),
        msg("Read it again, and send the new `ETag` as `If-Match`."),
    ),
    "too-large": (
        413,
        msg("The body is too large"),
        msg("Send at most 1 MiB; of a recording, 64 MiB a part; of a list of users 1 GiB, of sign-ins 256 MiB."),
    ),
    "unsupported-media-type": (
        415,
        msg("The body is of a type that is not read here"),
        msg("Send JSON as `Content-Type: application/json`; forms as `application/x-www-form-urlencoded`."),
    ),
    "validation": (
        422,
        msg("Something in the request is wrong"),
        msg("Each item of `errors` points at a field and says what it has to be. Unknown fields are errors too."),
    ),
    "too-many-requests": (
        429,
        msg("Too many requests"),
        msg("Wait as long as `Retry-After` says, then go on more slowly."),
    ),
    "internal": (
        500,
        msg("Something is broken on our side"),
        msg("Try again; if it stays, tell the operator the `X-Request-ID` of the answer."),
    ),
    "unavailable": (503, msg("The service cannot be sure, so the answer is no"), _RETRY),
    "trail-rolled-back": (
        503,
        msg("The audit trail is shorter than it was"),
        msg(
            "An old backup seems to have been restored; nothing is given until the operator has "
            "restored what is missing."
        ),
    ),
    "provider-unavailable": (
        502,
        msg("The institution's sign-in does not answer"),
        msg("Try again in a few minutes; access can still be taken back meanwhile."),
    ),
    # Idempotency-Key.
    "idempotency-in-progress": (
        409,
        msg("The first request with this key is still running"),
        msg("Ask again in a second, with the same key and the same body."),
    ),
    "idempotency-mismatch": (
        422,
        msg("This key came with another request before"),
        msg("Make a new Idempotency-Key for each new request; repeat one only with exactly the same body."),
    ),
    # Scanning accounts.
    "scan-under-way": (
        409,
        msg("This environment is being scanned already"),
        msg("Wait as long as `Retry-After` says; what the scan under way finds shows in the list of findings."),
    ),
    "scan-failed": (
        502,
        msg("The users could not be read"),
        msg("`detail` says why. Nothing was changed; put it right, or upload the users as a file."),
    ),
    # Filing a request.
    "institution-unknown": (
        422,
        msg("There is no such institution"),
        msg("Check the code; if it is right, ask the operator whether this client serves the institution."),
    ),
    "institution-not-enrolled": (
        422,
        msg("The institution is not enrolled yet"),
        msg("Its first admin has to sign in and confirm the enrolment code; ask again after that."),
    ),
    "environment-unknown": (
        422,
        msg("The institution has no such environment"),
        msg("Use the name under which the environment was set up, such as `alma-production`."),
    ),
    "account-unknown": (422, msg("There is no such vendor account"), msg("Ask for `exl_impl`.")),
    "account-deactivated": (
        422,
        msg("This account is deactivated"),
        msg("`exl_support` is blocked for good. Ask for `exl_impl`."),
    ),
    "account-technical": (
        422,
        msg("This account is not for people"),
        msg("`exl_api` cannot sign in. Ask for `exl_impl`."),
    ),
    "case-not-escalated": (
        422,
        msg("The case is not escalated"),
        msg("An environment in support is opened for escalated cases only; escalate the case, then ask again."),
    ),
    "window-too-long": (
        422,
        msg("The window is longer than the institution allows"),
        msg("Ask for fewer minutes; the detail names the most there may be."),
    ),
    "window-closed": (
        422,
        msg("The institution's hours leave nothing of this window"),
        msg("Name another start in `window.not_before`; the institution's policy closes this one."),
    ),
    # The life of a request.
    "wrong-state": (409, msg("The request is no longer in a state for this"), _READ_AGAIN),
    "not-approved": (409, msg("The request is not approved"), msg("A token is given once the request is approved.")),
    "window-not-open": (409, msg("The window has not begun"), msg("Ask again when `Retry-After` seconds have passed.")),
    "grant-ended": (410, msg("The access is over"), msg("File a new request that names this one in `extends`.")),
    "grant-not-derivable": (
        409,
        msg("The trail does not give this grant"),
        msg("No token is given, because the audit trail does not prove the approval. Tell the operator at once."),
    ),
    "events-forgotten": (
        410,
        msg("The changes since then are not kept any more"),
        msg("List the access requests, then follow the events without `Last-Event-ID`; changes are kept for 30 days."),
    ),
    "records-in-doubt": (
        409,
        msg("The database is not as the trail tells it"),
        msg("Nothing is given. Tell the operator at once; `countersign doctor` names what differs."),
    ),
    # Sessions.
    "token-inactive": (
        403,
        msg("This token opens no session"),
        msg(
            "Obtain a new approval token: each opens one session, at its environment's gateway, soon "
            "after it was given."
        ),
    ),
    "digest-mismatch": (
        400,
        msg("The bytes are not those that were announced"),
        msg("Send the part again, with the `Content-Digest` (RFC 9530) of exactly its bytes. Nothing was kept."),
    ),
    "part-differs": (
        409,
        msg("This part is there, with other bytes"),
        msg("A part is never changed. Send what is new under the next number."),
    ),
    "recording-erased": (
        410,
        msg("This part was erased"),
        msg("Recordings are kept as long as the institution's policy says; the trail keeps their digests for good."),
    ),
    # Answering, on pages.
    "not-approver": (403, msg("You are not an approver for this request"), _ASK_ADMIN),
    "own-request": (403, msg("Nobody decides on their own request"), msg("Another approver has to answer it.")),
    "client-revoked": (
        409,
        msg("The system that filed this request was shut off"),
        msg("Nothing can be given on it any more. The vendor has to file a new request; you may deny this one."),
    ),
    "already-answered": (
        409,
        msg("You have approved this already"),
        msg("Your approval stands. You may still deny the request while it waits."),
    ),
    "draft-over": (410, msg("This answer is no longer open"), msg("Open the request and answer again.")),
    "form-refused": (403, msg("This form cannot be taken"), msg("Open the page again, and send the form from there.")),
    "standing-not-allowed": (
        409,
        msg("The policy allows no standing approvals"),
        msg("An admin of the institution can allow them in its policy, by a countersigned change."),
    ),
    "already-disputed": (
        409,
        msg("This report is disputed already"),
        msg("The finding is open for both sides; the vendor explains it, and your words stand beside the report."),
    ),
    # At the gate.
    "gate-unknown": (
        403,
        msg("This gate is not known"),
        msg("The gateway has to send the `gate_key` of its environment as `Countersign-Gate-Key`."),
    ),
    "session-foreign": (
        403,
        msg("This session is another environment's"),
        msg(
            "A session passes only in front of the environment that it was opened for; enter with a token for this one."
        ),
    ),
    "access-over": (
        403,
        msg("Access is over"),
        msg("File a new request if more has to be done, then enter with its token."),
    ),
    # Keeping people and environments.
    "last-admin": (
        409,
        msg("The last admin stays"),
        msg("Let another admin sign in first; then one of the two can go."),
    ),
    "countersignature-needed": (
        409,
        msg("This has to be countersigned"),
        msg(
            "What makes something easier is a change that an admin countersigns; open it under "
            "Settings and read it there."
        ),
    ),
    "own-change": (
        403,
        msg("Another admin has to countersign this"),
        msg(
            "With two admins or more nobody countersigns what they proposed. Ask a colleague, or take the change back."
        ),
    ),
    "institution-exists": (
        409,
        msg("There is an institution of this code"),
        msg("A trail is opened once. Choose another code, or change what there is."),
    ),
    "change-outdated": (
        409,
        msg("What is in force has changed meanwhile"),
        msg("Open the change again: it shows what it would change now. If it fits no more, reject it."),
    ),
    "sign-in-untested": (
        409,
        msg("The sign-in has not been tested"),
        msg("Open the change and press Test sign-in; it changes nothing, and shows what the provider returns."),
    ),
    "stop-refused": (
        403,
        msg("Nothing was ended"),
        msg("Check the institution code and the stop code, letter by letter; each code works once."),
    ),
    # Signing in and enrolling, on pages.
    "enrolment-code-wrong": (
        422,
        msg("This is not the enrolment code"),
        msg("Compare it with the one that reached you by another road; if the two differ, do not confirm."),
    ),
    "sign-in-refused": (403, msg("This sign-in does not count"), _SIGN_IN),
    "sign-in-astray": (403, msg("This sign-in did not begin here"), _SIGN_IN),
    "already-bound": (
        409,
        msg("This account or this person is bound already"),
        msg("One person has one account at the institution's provider; ask an admin which one it is."),
    ),
}

STATUS: Mapping[str, int] = {slug: status for slug, (status, _, _) in _PROBLEMS.items()}
"""The status of each problem over HTTP."""

TITLES: Mapping[str, str] = {slug: title for slug, (_, title, _) in _PROBLEMS.items()}
"""What each problem is, in one line."""

REMEDIES: Mapping[str, str] = {slug: remedy for slug, (_, _, remedy) in _PROBLEMS.items()}
"""What helps."""
