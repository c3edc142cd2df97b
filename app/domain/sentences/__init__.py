"""The words of sentences that people sign, a module of texts a language.

What was signed is read again years later: a text that has been signed is never changed, only followed by another.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app.domain.sentences import en
from app.domain.sentences.words import Words

TABLES: Mapping[str, Words] = MappingProxyType({"en": Words("en", en.TEXTS)})
"""By language; the verifier takes a sentence in any of them."""
