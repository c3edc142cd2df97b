"""The vendor's three accounts, as its published notice has them, with every name under which each has appeared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.languages import msg

SOURCE = "the vendor's published notice on the accounts it uses in its customers' environments"
"""Where the table is from."""


@dataclass(frozen=True, slots=True)
class Account:
    """One vendor account. `problem` is the slug that refuses a request for it; None where it may be requested."""

    id: str
    names: tuple[str, ...]
    problem: str | None
    may_sign_in: str
    why: str


ACCOUNTS: Mapping[str, Account] = MappingProxyType(
    {
        account.id: account
        for account in (
            Account(
                "exl_impl",
                ("Staff, Ex Libris", "Implementor, Ex Libris"),
                None,
                msg("with an open grant"),
                msg("implementation and escalated support cases"),
            ),
            Account(
                "exl_support",
                ("Support, Ex Libris", "Ex Libris, BLOCKED - Not in Use"),
                "account-deactivated",
                msg("never"),
                msg("deactivated, has no roles"),
            ),
            Account(
                "exl_api",
                ("API, Ex Libris",),
                "account-technical",
                msg("never"),
                msg("integration of the API gateway; cannot sign in or perform staff actions"),
            ),
        )
    }
)
