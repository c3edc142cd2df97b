"""The forms of texts in a world file: each gives the value, or raises a `ValueError` that tells the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from zoneinfo import available_timezones

from app.domain.kinds import VENDOR
from app.tokens.clients import EVERY_INSTITUTION
from app.trail.cosignature import CosignerKey
from app.trail.note import NoteError

Form = Callable[[str], str]
NOT_ALONE = (
    "another institution has declared that this provider serves it alone, and both cannot be so; say here that it "
    "serves others too (exclusive = false), with required_claims that tell your people apart"
)


def matching(pattern: str, remedy: str) -> Form:
    """A text that a pattern describes."""
    compiled = re.compile(pattern, re.ASCII)

    def form(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(remedy)
        return text

    return form


def one_of(words: tuple[str, ...]) -> Form:
    """One of a few words."""

    def form(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)} is wanted")
        return text

    return form


def url(schemes: str) -> Form:
    """A URL of a scheme (a pattern), with neither query nor fragment nor user."""
    pattern = schemes + r"://[A-Za-z0-9.\[\]:-]+(/[!$%&'()*+,./0-9:;=@A-Z_a-z~-]*)?"
    return matching(pattern, "an https URL is wanted, with neither query nor fragment")


def url_key(text: str) -> str:
    """By what two URLs are the same environment."""
    return text.lower().rstrip("/")


def code(text: str) -> str:
    """An institution's code."""
    return _code(text) if text != VENDOR else _code("")


def code_or_all(text: str) -> str:
    """A code, or `*`."""
    return text if text == EVERY_INSTITUTION else code(text)


def witness_key(text: str) -> str:
    """The verifier key of a witness that makes Ed25519 cosignatures."""
    try:
        return CosignerKey.parse(text).vkey
    except NoteError as error:
        raise ValueError("the key of a witness is wanted: name+<8 hex>+<base64>, for Ed25519 cosignatures") from error


def zone(text: str) -> str:
    """A zone of the IANA database."""
    if text not in available_timezones():
        raise ValueError("a zone of the IANA database is wanted, such as Europe/Vienna")
    return text


def email(text: str) -> str:
    """An e-mail address, in lower case."""
    if len(text) > 254 or not re.fullmatch(r"[^\s@<>\",;:()\[\]\\]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", text):
        raise ValueError("an e-mail address is wanted")
    return text.lower()


_code = matching("[0-9A-Z][0-9A-Z_]{2,39}", "3 to 40 capitals, digits and underscores are wanted; VENDOR is reserved")
label = matching(r"(?! )[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}(?<! )", "1 to 200 characters are wanted")
name = matching("[a-z0-9][a-z0-9-]{0,63}", "small letters, digits and hyphens are wanted, at most 64")
client = matching("[a-z0-9][a-z0-9._-]{0,99}", "small letters, digits and . _ - are wanted, at most 100")
locale = matching("[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?", "a language is wanted, such as en or de-AT")
domain = matching(r"[a-z0-9-]+(\.[a-z0-9-]+)+", "a domain in small letters is wanted")
