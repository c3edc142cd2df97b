"""A line in a channel of Slack or Teams, for incoming webhooks: what happened and a link, never a decision.

Slack: `text` and blocks of mrkdwn (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks), which
Mattermost and Rocket.Chat read too. Teams: a message with an Adaptive Card, as the trigger "When a Teams webhook
request is received" takes it (https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors). Nothing
that the vendor's people typed stands in it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.notify.texts import Phrase, Words

Form = Literal["slack", "teams"]
FORMS: tuple[Form, ...] = ("slack", "teams")


@dataclass(frozen=True, slots=True)
class Notice:
    """An event of a request. `type` is the event's, `pending` whether the request waits for an answer after it;
    `start` and `end` are the grant's, if any; `link` is `/r/{short}`.
    """

    type: str
    at: datetime
    locale: str
    time_zone: str
    vendor: str
    product: str
    tier: Literal["production", "sandbox"]
    number: str
    decide_by: datetime
    pending: bool
    start: datetime | None
    end: datetime | None
    link: str


def body(form: Form, notice: Notice) -> bytes:
    """The message to post. Raises `KeyError` for an event that no text tells."""
    words = Words(notice.locale, notice.time_zone)
    line = words.say(f"chat.{_name(notice)}", _values(notice, words)).text
    label, note = words.say("chat.open", {}).text, words.say("chat.note", {}).text
    told = _slack(line, label, note, notice.link) if form == "slack" else _teams(line, label, note, notice.link)
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _name(notice: Notice) -> str:
    if notice.type == "request.created" and not notice.pending:
        return "request_filed"
    return notice.type.replace(".", "_")


def _values(notice: Notice, words: Words) -> dict[str, str | Phrase | None]:
    span = notice.start and notice.end and words.span(notice.start, notice.end, offset=True)
    return {
        "vendor": notice.vendor,
        "place": words.say(f"tier.{notice.tier}", {"product": notice.product}),
        "number": notice.number,
        "decide_by": words.moment(notice.decide_by, notice.at),
        "span": span or "",
        "ends": words.moment(notice.end, notice.at) if notice.end else "",
    }


def _slack(line: str, label: str, note: str, link: str) -> dict[str, Any]:
    text = _mrkdwn(line)
    shown = f"{text}\n<{link}|{_mrkdwn(label)}>"
    return {
        "text": text,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": shown, "verbatim": True}},
            {"type": "context", "elements": [{"type": "plain_text", "text": note, "emoji": False}]},
        ],
    }


def _teams(line: str, label: str, note: str, link: str) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": _markdown(line), "wrap": True},
            {"type": "TextBlock", "text": _markdown(note), "wrap": True, "isSubtle": True, "size": "Small"},
        ],
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": link}],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _mrkdwn(text: str) -> str:
    """Slack's three escapes; a zero-width space takes the marks of emphasis their meaning."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"[*_~`]", lambda found: f"{found[0]}\u200b", escaped)


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#~])", r"\\\1", text)
