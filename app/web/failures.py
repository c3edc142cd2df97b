"""What pages say when something was refused: what happened, what it means for access and answers, what helps.

Every one tells whether access was given and whether an answer was recorded. A refusal that is not listed here is shown
with its own detail and the title of its problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.actions.problems import REMEDIES, STATUS, TITLES
from app.domain.errors import Refusal


@dataclass(frozen=True, slots=True)
class Failure:
    """A page of failure. `next`: path and label of its button."""

    title: str
    says: tuple[str, ...]
    helps: tuple[str, ...]
    next: tuple[str, str] = ("/requests", "See all requests")


NOTHING = "No access was given, and no answer was recorded."
_PROVIDER = "provider-unavailable"
_AGAIN = ("/sign-in", "Sign in again")
_NOT_IN = "You are not signed in. No access was given, and no answer was recorded."
_ASK_ADMIN = "Ask an admin of your institution: they keep the list of people."
_TRY_LATER = "Try again in a few minutes."

_FAILURES: Mapping[str, Failure] = {
    "not-found": Failure(
        "Nothing is here for you",
        ("The address may be wrong, or it belongs to somebody else. Nothing was changed.",),
        ("Go back to your list of requests.", "If a mail led you here, compare the address with the one in the mail."),
    ),
    "not-approver": Failure(
        "You cannot answer this request",
        (f"You are signed in, but you are not an approver for it. {NOTHING}",),
        (
            "Ask an admin of your institution to add you.",
            "The approvers already have this request. You do not need to forward it.",
        ),
    ),
    "own-request": Failure(
        "You cannot answer your own request",
        (f"This request names you as its engineer. {NOTHING}",),
        ("The other approvers already have this request.",),
    ),
    "client-revoked": Failure(
        "Access can no longer be given on this request",
        (f"The vendor's system that filed it was shut off. {NOTHING}",),
        ("If access is still needed, the vendor files a new request.", "You may deny this one, or let it lapse."),
    ),
    "already-answered": Failure(
        "You have already approved this request",
        ("Your approval stands as you gave it. A second one does not count, and nothing new was recorded.",),
        ("Another approver has to agree, if one more is needed.", "You may still deny the request."),
    ),
    "draft-over": Failure(
        "This answer is no longer open",
        ("It was confirmed before, or is too old. Nothing new was recorded, and this step gave no access.",),
        ("Open the request: it shows what was recorded.", "If it still waits, answer again."),
    ),
    "records-in-doubt": Failure(
        "This service does not trust its own records",
        (f"Its database is not as the audit trail tells it, so nothing is given. {NOTHING}",),
        (
            "Tell the operator of this service, and your institution's admin.",
            "Access that is open can still be ended, by the buttons on the requests page.",
        ),
    ),
    "wrong-state": Failure(
        "This can no longer be done",
        ("It was decided, or has ended, in the meantime. Nothing was changed by this step.",),
        ("Go back to your list: it shows how things stand now.",),
    ),
    "form-refused": Failure(
        "This form cannot be taken",
        (f"It did not come from a page that you opened here, or that page is too old. {NOTHING} Nothing was changed.",),
        ("Open the page again and send the form from there.", "Allow cookies for this site."),
    ),
    "forbidden": Failure(
        "You cannot do this",
        (f"Your roles do not allow it. {NOTHING} Nothing was changed.",),
        (_ASK_ADMIN,),
    ),
    "institution-not-enrolled": Failure(
        "Your institution is not enrolled yet",
        (f"Its first admin has not confirmed the enrolment code. {NOTHING}",),
        ("Ask the admin of your institution to sign in first and to confirm the code.",),
    ),
    "sign-in-astray": Failure(
        "This sign-in did not begin here",
        (f"What came back belongs to no sign-in of this browser, or it took longer than ten minutes. {NOTHING}",),
        (
            "Begin again, in one window, and let cookies be kept meanwhile.",
            "If you did not try to sign in just now, close this window. Somebody may have sent you a link.",
        ),
        _AGAIN,
    ),
    "sign-in-refused": Failure(
        "This sign-in does not count",
        (f"What your institution's sign-in answered was not accepted. {NOTHING}",),
        ("Try again.", "If it happens again, tell your institution's IT service desk the reason below."),
        _AGAIN,
    ),
    _PROVIDER: Failure(
        "We cannot reach your institution's sign-in",
        (f"It did not answer in time. {NOTHING}",),
        (
            f"{_TRY_LATER} Requests stay open until their time is over.",
            "If other services at your institution fail too, your IT service desk may already know.",
            "Without your sign-in nobody can approve. The gate stays closed, which is safe.",
            "To end access that is already open, use the buttons on the requests page.",
            "If nobody can sign in, a printed stop code ends all access at /stop.",
        ),
    ),
    "unavailable": Failure(
        "This service cannot answer just now",
        (f"Something it relies on is in doubt, so the answer is no. {NOTHING}",),
        (_TRY_LATER,),
    ),
    "trail-rolled-back": Failure(
        "This service cannot answer just now",
        (f"Its records are older than what it signed before. Until that is cleared, nothing is done. {NOTHING}",),
        ("Tell the operator of this service.",),
    ),
    "internal": Failure(
        "Something failed here",
        ("This is a fault of the service. What was asked for may not have been done: open the page again to see.",),
        (_TRY_LATER, "If it fails again, tell the operator of this service the reference below."),
    ),
    "too-many-requests": Failure(
        "That was too much at once",
        (f"Nothing more is taken for a while. {NOTHING}",),
        (_TRY_LATER,),
    ),
}

_VENDOR = Failure(
    "Nobody of the vendor can approve",
    (f"Your address belongs to the vendor, and nobody there is ever an approver. {_NOT_IN}",),
    ("If you work for the institution, use your account there.",),
    _AGAIN,
)

_SIGN_INS: Mapping[str, Failure] = {
    "binding-waits": Failure(
        "Your first sign-in waits for an admin",
        (
            "You are on the list, and your sign-in worked. An admin has to confirm first that this account is yours.",
            _NOT_IN,
        ),
        ("Ask an admin to open Settings, People, and to confirm you.", "Then sign in again."),
        _AGAIN,
    ),
    "not-on-roster": Failure(
        "You are not on the list of your institution",
        (f"Your account works, but its address is not on the list of people here. {_NOT_IN}",),
        (_ASK_ADMIN, "If you have another account at your institution, sign out there and use that one."),
        _AGAIN,
    ),
    "email-missing": Failure(
        "Your sign-in did not tell who you are",
        (f"Your institution's sign-in sent no mail address, so you cannot be found on the list. {_NOT_IN}",),
        ("Ask your IT service desk to release the mail address to this service.",),
        _AGAIN,
    ),
    "email-unverified": Failure(
        "Your mail address is not confirmed",
        (f"Your institution's sign-in does not say that your address was verified. {_NOT_IN}",),
        ("Confirm your address there, or ask your IT service desk, then sign in again.",),
        _AGAIN,
    ),
    "already-bound": Failure(
        "This place on the list belongs to another account",
        (f"Your address is on the list, but another account was confirmed for it before. {_NOT_IN}",),
        ("Sign in with the account that you used before.", _ASK_ADMIN),
        _AGAIN,
    ),
    "session-over": Failure(
        "Your session ended before you came back",
        (f"The confirmation could not be tied to you any more. {NOTHING}",),
        ("Sign in and answer again, if the request still waits.",),
        _AGAIN,
    ),
    "other-person": Failure(
        "Somebody else confirmed",
        (f"The fresh sign-in was by another account than the one you are signed in with here. {NOTHING}",),
        ("Answer again, and confirm with your own account.",),
    ),
    "policy-changed": Failure(
        "Your institution's policy changed meanwhile",
        (f"The sentence you were about to sign rests on the policy before the change. {NOTHING}",),
        ("Open the request and answer again.",),
    ),
    "role-not-shown": Failure(
        "The fresh sign-in does not show your role",
        (
            f"Your role comes from your institution's sign-in, which does not say any more that you approve. {NOTHING}",
            "The role is taken away until a sign-in shows it again.",
        ),
        (
            "Ask your IT service desk whether you are still in the group of approvers.",
            "The other approvers can answer.",
        ),
    ),
    "id-token-auth-time": Failure(
        "Your institution's sign-in did not ask you anew",
        (
            "An approval needs a fresh sign-in, and what came back tells of an older one, or of no time at all.",
            NOTHING,
        ),
        (
            "Answer again, and sign in anew when you are asked to.",
            "If it happens again, tell your IT service desk: the sign-in has to honour max_age and to send auth_time.",
        ),
    ),
    "id-token-acr": Failure(
        "This sign-in is not strong enough",
        (f"Your institution's policy asks for a stronger sign-in than the one that came back. {NOTHING}",),
        (
            "Answer again, and use your second factor when you are asked for it.",
            "If you were not asked, tell your IT service desk: the sign-in has to honour acr_values and to send acr.",
        ),
    ),
    "provider-access-denied": Failure(
        "The sign-in was broken off",
        (f"Your institution's sign-in says that it was declined or cancelled. {NOTHING}",),
        ("Try again, if you meant to go on.",),
        _AGAIN,
    ),
    "vendor-provider": _VENDOR,
    "vendor-person": _VENDOR,
    _PROVIDER: _FAILURES[_PROVIDER],
}


def failure(refusal: Refusal) -> Failure:
    """The page of a refusal."""
    found = _FAILURES.get(refusal.problem)
    if refusal.problem == "sign-in-refused":
        found = _SIGN_INS.get(_reason(refusal), found)
    if found is None:
        title = TITLES.get(refusal.problem, "This could not be done")
        found = Failure(title, (refusal.detail, NOTHING), (REMEDIES.get(refusal.problem, _TRY_LATER),))
    return found


def status_of(refusal: Refusal) -> int:
    """The status of its page. A provider that fails is a gateway's failure to a browser, not ours."""
    return 502 if _PROVIDER in {refusal.problem, _reason(refusal)} else STATUS[refusal.problem]


def _reason(refusal: Refusal) -> str:
    return dict(refusal.extra).get("reason", "")
