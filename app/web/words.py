"""Words of the product that many pages share, in the language of the call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from app.domain.languages import msg
from app.web.language import _, in_context, ngettext

PRODUCTS: Mapping[str, str] = MappingProxyType(
    {"alma": "Alma", "primo_ve": "Primo VE", "leganto": "Leganto", "esploro": "Esploro"}
)


class Spoken(Mapping[str, str]):
    """A table of marked texts, read in the language of the call."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __getitem__(self, name: str) -> str:
        return _(self._texts[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


ROLES = Spoken(
    {
        "approver": msg("approver"),
        "backup_approver": msg("backup approver"),
        "auditor": msg("auditor"),
        "admin": msg("admin"),
        "vendor_auditor": msg("vendor auditor"),
        "operator": msg("operator"),
    }
)
PHASES = Spoken({"implementation": msg("implementation"), "support": msg("support")})
GROUNDS = Spoken(
    {
        "approval": msg("approval"),
        "implementation": msg("implementation phase"),
        "standing": msg("standing approval"),
    }
)


def place_of(product: str, tier: str) -> str:
    """`Alma production`: the environment as people call it."""
    name = PRODUCTS[product]
    if tier == "production":
        return _("%(product)s production", product=name)
    return _("%(product)s sandbox", product=name)


def role_count(role: str, n: int) -> str:
    """`2 approvers`."""
    match role:
        case "approver":
            return ngettext("%(n)s approver", "%(n)s approvers", n)
        case "backup_approver":
            return ngettext("%(n)s backup approver", "%(n)s backup approvers", n)
        case "auditor":
            return ngettext("%(n)s auditor", "%(n)s auditors", n)
        case "admin":
            return ngettext("%(n)s admin", "%(n)s admins", n)
        case "vendor_auditor":
            return ngettext("%(n)s vendor auditor", "%(n)s vendor auditors", n)
        case _:
            return ngettext("%(n)s operator", "%(n)s operators", n)


def comma() -> str:
    """What stands between the items of a list."""
    # Translators: a comma and a space, or what your language puts there.
    return in_context("between the items of a list", ", ")
