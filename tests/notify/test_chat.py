"""Lines in channels: each event has one, and hostile names stay text there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.hooks import TOLD
from app.notify.chat import FORMS, Form, Notice, body
from tests.notify.samples import at
from tests.notify.test_mail import HOSTILE

NOTICE = Notice(
    type="request.created",
    at=at(11),
    locale="en",
    time_zone="Europe/Vienna",
    vendor="Ex Libris",
    product="Alma",
    tier="production",
    number="2026-0042",
    decide_by=at(19),
    pending=True,
    start=at(13),
    end=at(16),
    link="https://countersign.example/r/7KQ4M2XDW9TE",
)
forms = pytest.mark.parametrize("form", FORMS)


def _told(form: Form, notice: Notice) -> Any:
    return json.loads(body(form, notice))


def _strings(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for each in value.values() for text in _strings(each)]
        case list():
            return [text for each in value for text in _strings(each)]
    return []


@forms
@pytest.mark.parametrize("type_", TOLD)
def test_every_event_is_one_line_with_one_link_that_decides_nothing(form: Form, type_: str) -> None:
    texts = _strings(_told(form, replace(NOTICE, type=type_, pending=False)))
    links = {link for text in texts for link in re.findall(r"https?://[^\s|>\"]+", text)}
    assert links - {"http://adaptivecards.io/schemas/adaptive-card.json"} == {NOTICE.link}
    assert any("2026-0042" in text.replace("\\", "") for text in texts)
    assert any("decides nothing" in text for text in texts)


def test_slack_is_told_as_slack_documents_it() -> None:
    told = _told("slack", NOTICE)
    line = (
        "Ex Libris asks for access to Alma production (2026-0042). Answer by today, Tue 17 Nov 2026, 20:00 CET. "
        "If nobody answers, no access is given."
    )
    assert told["text"] == line
    assert told["blocks"][0]["text"] == {
        "type": "mrkdwn",
        "text": f"{line}\n<{NOTICE.link}|Open the request>",
        "verbatim": True,
    }
    assert (told["unfurl_links"], told["unfurl_media"]) == (False, False), "Slack does not open the link itself"


def test_teams_are_told_by_a_card_whose_only_action_opens_the_link() -> None:
    (attached,) = _told("teams", NOTICE)["attachments"]
    assert attached["content"]["actions"] == [
        {"type": "Action.OpenUrl", "title": "Open the request", "url": NOTICE.link}
    ]


def test_what_was_given_without_an_answer_asks_for_none() -> None:
    assert "Answer by" not in _told("slack", replace(NOTICE, pending=False))["text"]


def _judge(form: Form, text: str) -> None:
    hostile, calm = replace(NOTICE, vendor=text, product=text), NOTICE
    told = _told(form, hostile)
    shape = re.compile(r'"(?:[^"\\]|\\.)*"')
    assert shape.sub('""', json.dumps(told)) == shape.sub('""', json.dumps(_told(form, calm))), "the layout is intact"
    shown = " ".join(_strings(told))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    assert len(json.dumps(told)) < 28_000
    if form == "slack":
        assert set(re.findall(r"<[^>]*>?", told["blocks"][0]["text"]["text"])) == {f"<{NOTICE.link}|Open the request>"}
        assert not re.search(r"[*_~`](?!\u200b)", told["text"])
    else:
        line = told["attachments"][0]["content"]["body"][0]["text"]
        assert not re.search(r"(?<!\\)(?:\\\\)*[*_`\[\]<>#~]", line)
    links = {link.lower() for link in re.findall(r"https?://[^\s|>\"]+", shown, re.IGNORECASE)}
    assert links <= {NOTICE.link.lower(), "http://adaptivecards.io/schemas/adaptive-card.json"}


@forms
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_names_are_shown_as_text(form: Form, text: str) -> None:
    _judge(form, text)


@forms
@given(text=st.text())
def test_any_name_is_shown_as_text(form: Form, text: str) -> None:
    _judge(form, text)
