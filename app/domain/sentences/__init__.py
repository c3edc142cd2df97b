"""The words of sentences that people sign, a module of texts a language.

What was signed is read again years later: a text that has been signed is never changed, only followed by another.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app.domain.sentences import de, en, es, fr, he, zh_hans
from app.domain.sentences.words import Words

_MODULES = {"en": en, "de": de, "es": es, "fr": fr, "he": he, "zh-Hans": zh_hans}
TABLES: Mapping[str, Words] = MappingProxyType({name: Words(name, each.TEXTS) for name, each in _MODULES.items()})
"""By language; the verifier takes a sentence in any of them."""
