"""What others wrote, shown on our pages. Escaping is the template's work; this takes power over the words around it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from markupsafe import Markup

# Controls, lone surrogates, and the embeddings, overrides and isolates of UAX #9: a stray U+2069 would close our
# `<bdi>`. The marks U+200E, U+200F and U+061C stay: they cannot reach beyond the isolate they stand in.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def shown(text: str | None) -> str:
    """The text with each character that would change what stands around it as U+FFFD."""
    return _CONTROLS.sub("\ufffd", (text or "").replace("\r\n", "\n"))


def isolated(text: str | None, css: str = "") -> Markup:
    """A name, number or word of others as `<bdi>`: shown, escaped, and without power over the direction around it."""
    opening = Markup('<bdi class="{}">').format(css) if css else Markup("<bdi>")
    return opening + shown(text) + Markup("</bdi>")


def first_up(text: str) -> str:
    """The text with a capital first letter, as a sentence or a label begins."""
    return text[:1].upper() + text[1:]


def safe_link(url: str | None) -> str | None:
    """The address if it may be a link: `https`, of a host, without credentials or anything but visible ASCII."""
    if url is None or not re.fullmatch(r"[!-~]{1,2000}", url):
        return None
    try:
        parts = urlsplit(url)
        ours = parts.scheme == "https" and parts.hostname and parts.username is None and parts.password is None
    except ValueError:
        return None
    return url if ours else None
