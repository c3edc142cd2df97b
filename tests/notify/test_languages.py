from __future__ import annotations

import re
from importlib.resources import files

import pytest

from app.notify.texts import LANGUAGES, facts_of, table

every = pytest.mark.parametrize("language", LANGUAGES)
PLURAL = re.compile(r"\.(zero|one|two|few|many|other)$")


def test_every_table_is_offered() -> None:
    tables = {path.name.removesuffix(".toml") for path in files("app.notify").joinpath("languages").iterdir()}
    assert tables == set(LANGUAGES)


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
