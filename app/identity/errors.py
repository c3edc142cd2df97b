"""What ends a sign-in.

CountersignError
├── SignInRefused          this sign-in does not count; `problem` is the slug of its event
│   ├── IdTokenRefused     the ID token, or the key set it was to be judged by
│   ├── CallbackRefused    what the browser brought back
│   └── ProviderRefused    what the provider says of itself, or answers for the code
├── FetchError             an outgoing call that was not made, or whose answer was not taken
└── Unavailable
    └── ProviderUnavailable
"""

from __future__ import annotations

from app.domain.errors import CountersignError, Unavailable


class SignInRefused(CountersignError):
    """This sign-in does not count. `problem` is a stable slug."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class IdTokenRefused(SignInRefused):
    """This ID token, or the key set it was to be judged by, does not count."""


class CallbackRefused(SignInRefused):
    """The browser came back with something else than the answer to what it was sent away with."""


class ProviderRefused(SignInRefused):
    """The provider is not the one of the institution's row, or gave no ID token for the code."""


class FetchError(CountersignError):
    """An outgoing call that was not made, or whose answer was not taken. `problem` says why, `url` where."""

    def __init__(self, problem: str, url: str) -> None:
        super().__init__(f"{problem}: {url}")
        self.problem = problem
        self.url = url


class ProviderUnavailable(Unavailable):
    """The provider cannot be asked now: that institution cannot decide, and nobody else notices."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, "provider-unavailable")
