"""Statements have exactly the contract's members; the sentence says exactly what the terms say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.languages import LANGUAGES
from app.domain.request import Terms
from app.domain.sentences import TABLES
from app.domain.sentences.words import forms
from app.domain.statement import (
    Approval,
    approval_text,
    change_input,
    change_statement,
    comment_input,
    decision_statement,
    email_input,
    standing_statement,
    sub_input,
)
from tests.domain.worlds import PRODUCTION, SHA

TERMS = Terms(None, None, 240, ())
COMMON = {"origin": "o", "institution": "A", "iss": "i", "sub": "s", "salt": "x", "text": "t"}
APPROVAL = Approval(
    vendor="Ex Libris",
    engineer_name="Senior Support Analyst",
    engineer_id="EL-20931",
    account="exl_impl",
    environment=PRODUCTION,
    institution="01EXU_INST",
    case_number="07345512",
    terms=TERMS,
    zone=ZoneInfo("Europe/Vienna"),
    zone_name="Europe/Vienna",
)


def test_statements_have_exactly_their_members() -> None:
    decision = decision_statement(
        **COMMON, request="r", request_digest=SHA, terms=TERMS, comment_digest=SHA, policy_digest=SHA
    )
    standing = standing_statement(**COMMON, standing="s", terms={}, policy_digest=SHA)
    change = change_statement(**COMMON, change="c", type_="policy.set", subject="A", data_digest=SHA)
    members = "v origin institution request request_digest verdict terms text comment_digest policy_digest iss sub salt"
    assert set(decision) == set(members.split())
    assert set(standing) == set("v origin institution standing terms text policy_digest iss sub salt".split())
    assert set(change) == set("v origin institution change type subject data_digest text iss sub salt".split())
    assert [made["v"] for made in (decision, standing, change)] == [
        "countersign/decision/1",
        "countersign/standing/1",
        "countersign/change/1",
    ]
    assert (decision["verdict"], decision["terms"]) == ("approve", TERMS.to_data())


def test_inputs_of_digests() -> None:
    assert comment_input("c", "s") == {"comment": "c", "salt": "s"}
    assert email_input("Head@Example.EDU", "s") == {"email": "head@example.edu", "salt": "s"}
    assert sub_input("x", "s") == {"salt": "s", "sub": "x"}
    assert change_input({"a": 1, "evidence": [SHA]}, None) == {"a": 1}
    assert change_input({"a": 1, "evidence": [SHA]}, SHA) == {"a": 1, "private": SHA}


AT = datetime(2026, 11, 17, 13, 0, tzinfo=UTC)
WHO = "I approve that Senior Support Analyst (EL-20931) of Ex Libris uses exl_impl in Alma production (alma-production)"


@pytest.mark.parametrize(
    "terms, tail",
    [
        (
            TERMS,
            "for at most 240 minutes from the last approval, with the roles that the account has",
        ),
        (
            replace(TERMS, not_before=AT, not_after=AT.replace(hour=16), minutes=180, roles=("A", "B", "C")),
            (
                "for at most 180 minutes from 17 November 2026 14:00 (Europe/Vienna; 13:00 UTC) or the last approval, "
                "whichever is later, and not after 17 November 2026 17:00 (Europe/Vienna; 16:00 UTC), "
                "with the roles A, B and C"
            ),
        ),
        (
            replace(TERMS, not_after=AT.replace(hour=23, second=5), minutes=1, roles=("A",)),
            (
                "for at most 1 minute from the last approval, and not after "
                "18 November 2026 00:00:05 (Europe/Vienna; 17 November 2026 23:00:05 UTC), with the role A"
            ),
        ),
        (
            replace(TERMS, not_after=AT.replace(microsecond=250_000)),
            (
                "for at most 240 minutes from the last approval, and not after "
                "17 November 2026 14:00:00.250000 (Europe/Vienna; 13:00:00.250000 UTC), "
                "with the roles that the account has"
            ),
        ),
    ],
)
def test_the_sentence_is_plain_and_exact(terms: Terms, tail: str) -> None:
    assert approval_text(replace(APPROVAL, terms=terms)) == f"{WHO} of 01EXU_INST {tail}, for case 07345512."


@pytest.mark.parametrize("changes", [{"minutes": 241}, {"not_before": AT}, {"not_after": AT}, {"roles": ("A",)}])
def test_other_terms_make_another_sentence(changes: dict[str, Any]) -> None:
    assert approval_text(replace(APPROVAL, terms=replace(TERMS, **changes))) != approval_text(APPROVAL)


def test_every_offered_language_has_its_sentences() -> None:
    assert set(LANGUAGES) <= set(TABLES)
    for language in TABLES:
        assert "07345512" in approval_text(APPROVAL, language)


def test_every_table_of_sentences_has_the_same_texts_and_facts() -> None:
    for language, words in TABLES.items():
        assert _shape(language, words.texts) == _shape("en", TABLES["en"].texts), language
        counted = {name.rpartition(".")[0] for name in words.texts if name.endswith(".other")}
        for name in counted:
            assert {each.rpartition(".")[2] for each in words.texts if each.rpartition(".")[0] == name} >= forms(
                language
            )
        assert len(words.texts["months"].split()) == 12


def _shape(language: str, texts: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The facts of each text; of a counted one those of its last form, whatever forms the language has."""
    plain = {name for name in texts if name.rpartition(".")[2] not in {"one", "two"}}
    return {name: frozenset(field for _, field, _, _ in Formatter().parse(texts[name]) if field) for name in plain}
