from __future__ import annotations

import re
from importlib.resources import files

import pytest
from babel import Locale

from app.domain.languages import LANGUAGES
from app.notify.texts import facts_of, table

TABLES = sorted(path.name.removesuffix(".toml") for path in files("app.notify").joinpath("languages").iterdir())
every = pytest.mark.parametrize("language", TABLES)
PLURAL = re.compile(r"\.(zero|one|two|few|many|other)$")


def test_every_offered_language_has_a_table() -> None:
    assert set(LANGUAGES) <= set(TABLES)


@every
def test_every_number_has_its_form(language: str) -> None:
    locale = Locale.parse(language.replace("-", "_"))
    texts = table(language)
    for name in {PLURAL.sub("", each) for each in texts if PLURAL.search(each)}:
        assert all(f"{name}.{locale.plural_form(n)}" in texts for n in range(1000)), name


@every
def test_a_language_has_exactly_the_texts_of_english(language: str) -> None:
    assert {PLURAL.sub("", name) for name in table(language)} == {PLURAL.sub("", name) for name in table("en")}


@every
def test_a_text_holds_no_fact_that_english_does_not(language: str) -> None:
    """Plural forms may leave the number out."""
    english = {PLURAL.sub("", name): facts_of(text) for name, text in table("en").items() if not name.endswith(".one")}
    for name, text in table(language).items():
        assert facts_of(text) <= english[PLURAL.sub("", name)], name
        assert PLURAL.search(name) or facts_of(text) == english[name], name


@every
def test_the_only_marks_in_a_text_are_bold_and_code(language: str) -> None:
    for name, text in table(language).items():
        assert set(re.findall(r"<[^>]*>?|[&>]", text)) <= {"<b>", "</b>", "<code>", "</code>"}, name
