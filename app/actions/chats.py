"""What a channel of Slack or Teams is told about a request: the same events as webhooks, in a line with a link."""

from __future__ import annotations

from urllib.parse import urlsplit

from app.actions.mails import PRODUCTS
from app.actions.services import Services
from app.actions.views import RequestView
from app.notify import chat
from app.notify.chat import Form, Notice


def masked(url: str) -> str:
    """What may be shown of a channel's address: whoever knows it whole can post there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…"


def message(services: Services, form: Form, type_: str, view: RequestView) -> bytes:
    """The message of an event of the request, as it is after it."""
    request, institution = view.request, view.institution
    environment = institution.environments[request.environment]
    notice = Notice(
        type=type_,
        at=view.now,
        locale=institution.locale,
        time_zone=institution.time_zone,
        vendor=view.vendor_name,
        product=PRODUCTS[environment.product],
        tier="production" if environment.tier == "production" else "sandbox",
        number=request.number,
        decide_by=request.decide_by,
        pending=view.status == "pending",
        start=request.grant.not_before if request.grant else None,
        end=request.grant.not_after if request.grant else None,
        link=services.page(f"/r/{view.row.short}"),
    )
    return chat.body(form, notice)
