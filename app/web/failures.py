"""What pages say when something was refused: what happened, what it means for access and answers, what helps.

Every one tells whether access was given and whether an answer was recorded. A refusal that is not listed here is shown
with its own detail and the title of its problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.actions.problems import REMEDIES, STATUS, TITLES
from app.domain.errors import Refusal
from app.domain.languages import msg
from app.web.language import _, of_others


@dataclass(frozen=True, slots=True)
class Failure:
    """A page of failure; a paragraph is one text, or several. `next`: path and label of its button."""

    title: str
    says: tuple[str | tuple[str, ...], ...]
    helps: tuple[str | tuple[str, ...], ...]
    next: tuple[str, str] = ("/requests", msg("See all requests"))

    def spoken(self) -> Failure:
        """The same in the language of the call; each paragraph is one text."""
        path, label = self.next
        return Failure(
            _(self.title), tuple(map(_paragraph, self.says)), tuple(map(_paragraph, self.helps)), (path, _(label))
        )


def _paragraph(texts: str | tuple[str, ...]) -> str:
    return of_others(texts) if isinstance(texts, str) else " ".join(map(_, texts))


NOTHING = msg("No access was given, and no answer was recorded.")
_PROVIDER = "provider-unavailable"
_AGAIN = ("/sign-in", msg("Sign in again"))
_NOT_IN = msg("You are not signed in. No access was given, and no answer was recorded.")
_ASK_ADMIN = msg("Ask an admin of your institution: they keep the list of people.")
_TRY_LATER = msg("Try again in a few minutes.")

_FAILURES: Mapping[str, Failure] = {
    "not-found": Failure(
        msg("Nothing is here for you"),
        (msg("The address may be wrong, or it belongs to somebody else. Nothing was changed."),),
        (
            msg("Go back to your list of requests."),
            msg("If a mail led you here, compare the address with the one in the mail."),
        ),
    ),
    "not-approver": Failure(
        msg("You cannot answer this request"),
        ((msg("You are signed in, but you are not an approver for it."), NOTHING),),
        (
            msg("Ask an admin of your institution to add you."),
            msg("The approvers already have this request. You do not need to forward it."),
        ),
    ),
    "own-request": Failure(
        msg("You cannot answer your own request"),
        ((msg("This request names you as its engineer."), NOTHING),),
        (msg("The other approvers already have this request."),),
    ),
    "client-revoked": Failure(
        msg("Access can no longer be given on this request"),
        ((msg("The vendor's system that filed it was shut off."), NOTHING),),
        (
            msg("If access is still needed, the vendor files a new request."),
            msg("You may deny this one, or let it lapse."),
        ),
    ),
    "already-answered": Failure(
        msg("You have already approved this request"),
        (msg("Your approval stands as you gave it. A second one does not count, and nothing new was recorded."),),
        (msg("Another approver has to agree, if one more is needed."), msg("You may still deny the request.")),
    ),
    "draft-over": Failure(
        msg("This answer is no longer open"),
        (msg("It was confirmed before, or is too old. Nothing new was recorded, and this step gave no access."),),
        (msg("Open the request: it shows what was recorded."), msg("If it still waits, answer again.")),
    ),
    "records-in-doubt": Failure(
        msg("This service does not trust its own records"),
        ((msg("Its database is not as the audit trail tells it, so nothing is given."), NOTHING),),
        (
            msg("Tell the operator of this service, and your institution's admin."),
            msg("Access that is open can still be ended, by the buttons on the requests page."),
        ),
    ),
    "wrong-state": Failure(
        msg("This can no longer be done"),
        (msg("It was decided, or has ended, in the meantime. Nothing was changed by this step."),),
        (msg("Go back to your list: it shows how things stand now."),),
    ),
    "form-refused": Failure(
        msg("This form cannot be taken"),
        (
            (
                msg("It did not come from a page that you opened here, or that page is too old."),
                NOTHING,
                msg("Nothing was changed."),
            ),
        ),
        (msg("Open the page again and send the form from there."), msg("Allow cookies for this site.")),
    ),
    "forbidden": Failure(
        msg("You cannot do this"),
        ((msg("Your roles do not allow it."), NOTHING, msg("Nothing was changed.")),),
        (_ASK_ADMIN,),
    ),
    "institution-not-enrolled": Failure(
        msg("Your institution is not enrolled yet"),
        ((msg("Its first admin has not confirmed the enrolment code."), NOTHING),),
        (msg("Ask the admin of your institution to sign in first and to confirm the code."),),
    ),
    "sign-in-astray": Failure(
        msg("This sign-in did not begin here"),
        ((msg("What came back belongs to no sign-in of this browser, or it took longer than ten minutes."), NOTHING),),
        (
            msg("Begin again, in one window, and let cookies be kept meanwhile."),
            msg("If you did not try to sign in just now, close this window. Somebody may have sent you a link."),
        ),
        _AGAIN,
    ),
    "sign-in-refused": Failure(
        msg("This sign-in does not count"),
        ((msg("What your institution's sign-in answered was not accepted."), NOTHING),),
        (msg("Try again."), msg("If it happens again, tell your institution's IT service desk the reason below.")),
        _AGAIN,
    ),
    _PROVIDER: Failure(
        msg("We cannot reach your institution's sign-in"),
        ((msg("It did not answer in time."), NOTHING),),
        (
            (_TRY_LATER, msg("Requests stay open until their time is over.")),
            msg("If other services at your institution fail too, your IT service desk may already know."),
            msg("Without your sign-in nobody can approve. The gate stays closed, which is safe."),
            msg("To end access that is already open, use the buttons on the requests page."),
            msg("If nobody can sign in, a printed stop code ends all access at /stop."),
        ),
    ),
    "unavailable": Failure(
        msg("This service cannot answer just now"),
        ((msg("Something it relies on is in doubt, so the answer is no."), NOTHING),),
        (_TRY_LATER,),
    ),
    "trail-rolled-back": Failure(
        msg("This service cannot answer just now"),
        ((msg("Its records are older than what it signed before. Until that is cleared, nothing is done."), NOTHING),),
        (msg("Tell the operator of this service."),),
    ),
    "internal": Failure(
        msg("Something failed here"),
        (
            msg(
                "This is a fault of the service. What was asked for may not have been done: open the page again to see."
            ),
        ),
        (_TRY_LATER, msg("If it fails again, tell the operator of this service the reference below.")),
    ),
    "too-many-requests": Failure(
        msg("That was too much at once"),
        ((msg("Nothing more is taken for a while."), NOTHING),),
        (_TRY_LATER,),
    ),
}

_VENDOR = Failure(
    msg("Nobody of the vendor can approve"),
    ((msg("Your address belongs to the vendor, and nobody there is ever an approver."), _NOT_IN),),
    (msg("If you work for the institution, use your account there."),),
    _AGAIN,
)

_SIGN_INS: Mapping[str, Failure] = {
    "binding-waits": Failure(
        msg("Your first sign-in waits for an admin"),
        (
            msg(
                "You are on the list, and your sign-in worked. An admin has to confirm first that "
                "this account is yours."
            ),
            _NOT_IN,
        ),
        (msg("Ask an admin to open Settings, People, and to confirm you."), msg("Then sign in again.")),
        _AGAIN,
    ),
    "not-on-roster": Failure(
        msg("You are not on the list of your institution"),
        ((msg("Your account works, but its address is not on the list of people here."), _NOT_IN),),
        (_ASK_ADMIN, msg("If you have another account at your institution, sign out there and use that one.")),
        _AGAIN,
    ),
    "email-missing": Failure(
        msg("Your sign-in did not tell who you are"),
        ((msg("Your institution's sign-in sent no mail address, so you cannot be found on the list."), _NOT_IN),),
        (msg("Ask your IT service desk to release the mail address to this service."),),
        _AGAIN,
    ),
    "email-unverified": Failure(
        msg("Your mail address is not confirmed"),
        ((msg("Your institution's sign-in does not say that your address was verified."), _NOT_IN),),
        (msg("Confirm your address there, or ask your IT service desk, then sign in again."),),
        _AGAIN,
    ),
    "already-bound": Failure(
        msg("This place on the list belongs to another account"),
        ((msg("Your address is on the list, but another account was confirmed for it before."), _NOT_IN),),
        (msg("Sign in with the account that you used before."), _ASK_ADMIN),
        _AGAIN,
    ),
    "session-over": Failure(
        msg("Your session ended before you came back"),
        ((msg("The confirmation could not be tied to you any more."), NOTHING),),
        (msg("Sign in and answer again, if the request still waits."),),
        _AGAIN,
    ),
    "other-person": Failure(
        msg("Somebody else confirmed"),
        ((msg("The fresh sign-in was by another account than the one you are signed in with here."), NOTHING),),
        (msg("Answer again, and confirm with your own account."),),
    ),
    "policy-changed": Failure(
        msg("Your institution's policy changed meanwhile"),
        ((msg("The sentence you were about to sign rests on the policy before the change."), NOTHING),),
        (msg("Open the request and answer again."),),
    ),
    "role-not-shown": Failure(
        msg("The fresh sign-in does not show your role"),
        (
            (
                msg("Your role comes from your institution's sign-in, which does not say any more that you approve."),
                NOTHING,
            ),
            msg("The role is taken away until a sign-in shows it again."),
        ),
        (
            msg("Ask your IT service desk whether you are still in the group of approvers."),
            msg("The other approvers can answer."),
        ),
    ),
    "id-token-auth-time": Failure(
        msg("Your institution's sign-in did not ask you anew"),
        (
            msg("An approval needs a fresh sign-in, and what came back tells of an older one, or of no time at all."),
            NOTHING,
        ),
        (
            msg("Answer again, and sign in anew when you are asked to."),
            msg(
                "If it happens again, tell your IT service desk: the sign-in has to honour max_age "
                "and to send auth_time."
            ),
        ),
    ),
    "id-token-acr": Failure(
        msg("This sign-in is not strong enough"),
        ((msg("Your institution's policy asks for a stronger sign-in than the one that came back."), NOTHING),),
        (
            msg("Answer again, and use your second factor when you are asked for it."),
            msg(
                "If you were not asked, tell your IT service desk: the sign-in has to honour "
                "acr_values and to send acr."
            ),
        ),
    ),
    "provider-access-denied": Failure(
        msg("The sign-in was broken off"),
        ((msg("Your institution's sign-in says that it was declined or cancelled."), NOTHING),),
        (msg("Try again, if you meant to go on."),),
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
        title = TITLES.get(refusal.problem, msg("This could not be done"))
        found = Failure(title, (refusal.detail, NOTHING), (REMEDIES.get(refusal.problem, _TRY_LATER),))
    return found.spoken()


def status_of(refusal: Refusal) -> int:
    """The status of its page. A provider that fails is a gateway's failure to a browser, not ours."""
    return 502 if _PROVIDER in {refusal.problem, _reason(refusal)} else STATUS[refusal.problem]


def _reason(refusal: Refusal) -> str:
    return dict(refusal.extra).get("reason", "")
