"""Catalogues against the pages, and which language a page has."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from hypothesis import given
from hypothesis import strategies as st

from app.domain import languages as offered
from app.domain.languages import LANGUAGES, told
from app.web import language
from scripts import languages as catalogues

PAGES = sorted(path for path in (catalogues.ROOT / "app/web/templates").glob("*.html") if path.stem != "docs")
"""The description of the API is English, as the API is."""
_TRANSLATED = re.compile(r"\{% trans.*?endtrans %\}", re.DOTALL)
_NO_WORDS = re.compile(r"\{#.*?#\}|\{% block nav %\}.*?\{% endblock %\}|<(pre|script|style)\b.*?</\1>", re.DOTALL)


@pytest.fixture(scope="module")
def template() -> Catalog:
    return catalogues.gathered()


def test_the_template_holds_exactly_what_pages_say(template: Catalog) -> None:
    assert catalogues.written(template) == catalogues.TEMPLATE.read_bytes(), "run `make languages`"


def test_an_offered_language_misses_no_text_and_changes_neither_facts_nor_markup(template: Catalog) -> None:
    for name in set(LANGUAGES) - {"en"}:
        assert list(catalogues.faults(name, template)) == []


@pytest.mark.parametrize(
    "locale, name",
    [("en-GB", "en"), ("en", "en"), ("tlh", "en"), ("zh-TW", "en"), ("zh_Hant", "en"), ("EN-us", "en")],
)
def test_a_locale_without_a_language_of_ours_gets_english(locale: str, name: str) -> None:
    assert offered.language_of(locale) == name


def test_a_browser_gets_what_it_likes_best_of_those_offered() -> None:
    assert language.asked_for("tlh, en;q=0.3") == "en"
    assert language.asked_for("en;q=0") == "en"
    assert language.asked_for("") == "en"


@given(header=st.text(max_size=200))
def test_any_header_gets_a_language(header: str) -> None:
    assert language.asked_for(header) in LANGUAGES


def test_what_was_told_is_english_for_machines_and_knows_its_parts_for_pages() -> None:
    detail = told("At most %(most)s minutes", most=480)
    assert detail == "At most 480 minutes"
    assert language.of_others(detail) == "At most 480 minutes"
    assert language.of_others("5 % of what nobody translated") == "5 % of what nobody translated"


def test_templates_are_gathered_in_a_steady_order(template: Catalog) -> None:
    files = [each.locations[0][0] for each in template if each.locations]
    assert all(one <= other for one, other in pairwise(files))


@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
def test_no_template_says_a_word_that_is_not_in_the_catalogue(path: Path) -> None:
    source = path.read_text()
    for hidden in _TRANSLATED, _NO_WORDS:
        source = hidden.sub("", source)
    shown = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "\x01", source, flags=re.DOTALL)
    attributes = re.findall(r'(?:aria-label|title|data-l|alt)="([^"\x01]*[A-Za-z]{2}[^"]*)"', shown)
    texts = re.split("[\x01\x02\n]", re.sub(r"<[^>]*>", "\x02", shown))
    words = [*attributes, *(each.strip() for each in texts if re.search(r"[A-Za-z]{2}", each))]
    assert [each for each in words if each not in {"– Countersign", "Countersign"}] == []
