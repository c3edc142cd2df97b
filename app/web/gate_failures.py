"""What the gate's pages say to engineers when nothing was opened."""

from __future__ import annotations

from collections.abc import Mapping

from app.actions.problems import REMEDIES, TITLES
from app.domain.errors import Refusal
from app.domain.languages import msg
from app.web.failures import Failure

MOUNT = "/countersign"
ENTER = f"{MOUNT}/gate/enter"
_NOTHING = msg("No session was opened, and nothing was let through.")
_AGAIN = (ENTER, msg("Enter again"))
_RENEW = msg("Get a new token in your support console, then enter with it.")
_OPERATOR = msg("If it stays, tell the operator of this gateway the reference below.")

_SIGN_IN = Failure(
    msg("This sign-in does not count"),
    ((msg("What your organisation's sign-in answered was not accepted."), _NOTHING),),
    (msg("Enter again, and sign in with your own account."), _OPERATOR),
    _AGAIN,
)
_FAILURES: Mapping[str, Failure] = {
    "token-inactive": Failure(
        msg("This token opens nothing"),
        ((msg("It is not good now, not for this environment, or it has opened its session already."), _NOTHING),),
        (_RENEW, msg("If access has ended, ask the institution again with a new request.")),
        _AGAIN,
    ),
    "sign-in-astray": Failure(
        msg("This sign-in did not begin here"),
        ((msg("What came back belongs to no entry of this browser, or it took longer than ten minutes."), _NOTHING),),
        (
            msg("Enter again, in one window, and let cookies be kept meanwhile."),
            msg("If you did not try to enter just now, close this window. Somebody may have sent you a link."),
        ),
        _AGAIN,
    ),
    "sign-in-refused": _SIGN_IN,
    "provider-unavailable": Failure(
        msg("We cannot reach your organisation's sign-in"),
        ((msg("It did not answer, so nobody can show who sits here."), _NOTHING),),
        (msg("Try again in a few minutes."),),
        _AGAIN,
    ),
    "unavailable": Failure(
        msg("The gate cannot answer just now"),
        ((msg("Something it relies on is in doubt, so it stays closed."), _NOTHING),),
        (msg("Try again in a few minutes."), _OPERATOR),
        _AGAIN,
    ),
    "unauthorized": Failure(
        msg("Nobody is in here"),
        (msg("This browser has no session at this gate, so there is nothing to leave."),),
        (msg("Enter with an approval token if you have work to do."),),
        _AGAIN,
    ),
    "gate-unknown": Failure(
        msg("This gate is not known"),
        ((msg("The gateway did not prove which environment it stands in front of."), _NOTHING),),
        (msg("Tell the operator of this gateway."),),
        _AGAIN,
    ),
}
_SIGN_INS: Mapping[str, Failure] = {
    "engineer-differs": Failure(
        msg("This token is somebody else's"),
        (
            (
                msg("You signed in, but the token was given to another engineer."),
                _NOTHING,
                msg("The attempt was recorded."),
            ),
        ),
        (
            msg("Use the token that was given to you."),
            msg("If you did not enter a token yourself, close this window and tell your security team."),
        ),
        _AGAIN,
    ),
    "provider-access-denied": Failure(
        msg("The sign-in was broken off"),
        ((msg("Your organisation's sign-in says that it was declined or cancelled."), _NOTHING),),
        (msg("Enter again, if you meant to go on."),),
        _AGAIN,
    ),
    "provider-unavailable": _FAILURES["provider-unavailable"],
}


def gate_failure(refusal: Refusal) -> Failure:
    """The page of a refusal, to an engineer at the gate."""
    reason = dict(refusal.extra).get("reason", "")
    found = _SIGN_INS.get(reason) if refusal.problem == "sign-in-refused" else None
    if found is None:
        found = _FAILURES.get(refusal.problem)
    if found is None:
        title = TITLES.get(refusal.problem, msg("This could not be done"))
        found = Failure(title, (_NOTHING,), (REMEDIES.get(refusal.problem, _OPERATOR),), _AGAIN)
    return found.spoken()
