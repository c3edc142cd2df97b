"""Names of users, compared as a person would read them: without case, accents, punctuation, spaces and order.

A name is the vendor's when "ex" and "libris" are words of it, in whatever order, or stand in it as one word. That a
longer word contains them ("Alexander Librist", "Alex Libris") is nothing.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+")
_CAMEL: Final = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_SPACED: Final = 3
"""So many single letters in a row are a word written letter by letter; two are somebody's initials."""
_TOGETHER: Final = frozenset({"exlibris", "librisex"})
_WITH: Final = frozenset(
    "staff support implementor implementer implementation api admin administrator blocked development test user team "
    "account system".split()
)
"""What has been seen written to "exlibris" without a space."""
# Letters of other scripts, and those that decompose to none of ours, that look like those of the name.
_ALIKE: Final = str.maketrans(
    "\u0435\u0445\u0456\u0441\u0455\u0131\u03b5\u03c7\u03b9\u0142\u04cf\u0299\u0280\u1d07\u029f\u026a\ua731",
    "exicsiexillbrelis",
)
_LETTERS_ONLY: Final = {code: None for code in range(128) if not chr(code).isalpha()}


def fold(text: str) -> str:
    """The text in small letters of one kind, without accents and what is not seen; punctuation stays."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text)
    seen = "".join(char for char in apart if unicodedata.category(char) not in {"Mn", "Cf", "Cc", "Me"})
    return seen.casefold().translate(_ALIKE)


def words(text: str) -> frozenset[str]:
    """The words of a name, folded; one written letter by letter counts as a word too, "ExLibris" also as two."""
    found: list[str] = []
    folded = fold(text)
    for each in (folded, fold(_CAMEL.sub(" ", text))) if folded != text else (folded,):
        found += _WORD.findall(each)
    spaced = "".join(word if len(word) == 1 else f" {word} " for word in _WORD.findall(folded))
    return frozenset([*found, *(word for word in spaced.split() if len(word) >= _SPACED)])


def may_be_vendors(text: str) -> bool:
    """Whether it is worth asking `is_vendors`: nearly every name is not, and this is quick."""
    return "libris" in fold(text).translate(_LETTERS_ONLY)


def is_vendors(*names: str) -> bool:
    """Whether the names of one user hold "Ex Libris"."""
    found = words(" ".join(names))
    if {"ex", "libris"} <= found or _TOGETHER & found:
        return True
    return any(word.removeprefix("exlibris") in _WITH for word in found if word.startswith("exlibris"))


def same(one: str, other: str) -> bool:
    """Whether two names are one, but for how they are written."""
    return frozenset(_WORD.findall(fold(one))) == frozenset(_WORD.findall(fold(other)))
