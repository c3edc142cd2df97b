"""An access request as vendor systems get it: display names, never an approver's address or subject.

What time alone changes is told by the clock, whether or not its event has been recorded yet.
"""

from __future__ import annotations

from datetime import datetime

from app.actions.filing import NewRequest
from app.actions.services import Services
from app.actions.views import DecisionView, RequestView
from app.api import answers, schemas
from app.domain import request as domain
from app.domain.request import Status


def new_request(asked: schemas.NewAccessRequest) -> NewRequest:
    """What was asked, as the action takes it."""
    endorser = asked.endorser
    return NewRequest(
        institution=asked.institution,
        environment=asked.environment,
        account=asked.account,
        case_number=asked.case.number,
        case_title=asked.case.title,
        case_url=asked.case.url,
        severity=asked.case.severity,
        escalated=asked.case.escalated,
        engineer_id=asked.engineer.id,
        engineer_name=asked.engineer.name,
        engineer_email=asked.engineer.email,
        works_from=asked.engineer.works_from,
        endorser_id=None if endorser is None else endorser.id,
        endorser_name=None if endorser is None else endorser.name,
        extends=asked.extends,
        reason=asked.reason,
        roles=tuple(asked.roles),
        not_before=asked.window.not_before,
        minutes=asked.window.minutes,
    )


def path(request_id: str) -> str:
    """Where a request is, below the base URL."""
    return f"/v1/access-requests/{request_id}"


def headers(view: RequestView) -> dict[str, str]:
    """What goes with a representation."""
    return tagged(view.etag)


def tagged(etag: str) -> dict[str, str]:
    """The same, of a tag that was made before."""
    return {"ETag": etag, "Cache-Control": "private, no-cache"}


def representation(services: Services, view: RequestView) -> answers.AccessRequest:
    """The representation."""
    request = view.request
    return answers.AccessRequest(
        id=request.id,
        number=request.number,
        check_code=view.check_code,
        request_digest=request.digest,
        status=view.status,
        created_at=request.created_at,
        updated_at=_updated_at(view),
        decide_by=request.decide_by,
        created_by=request.created_by,
        institution=request.institution,
        environment=request.environment,
        account=request.account,
        case=_case(view),
        engineer=_engineer(view),
        endorser=_endorser(view),
        extends=request.extends,
        reason=view.asked.get("reason"),
        roles=list(request.asked.roles),
        window=answers.SentWindow(not_before=request.asked.not_before, minutes=request.asked.minutes),
        ground=None if request.grant is None else request.grant.ground,
        approvals=answers.Approvals(required=view.required, given=view.given),
        decisions=list(map(_decision, view.decisions)),
        grant=None if request.grant is None else _grant(request.grant, view),
        messages=[answers.Message(side=each.side, by=each.by, at=each.at, text=each.text) for each in view.messages],
        links=answers.Links(
            self=services.page(path(request.id)),
            page=services.page(f"/requests/{request.id}"),
        ),
    )


def body(services: Services, view: RequestView) -> bytes:
    """The representation's bytes."""
    return representation(services, view).model_dump_json(by_alias=True).encode()


def _case(view: RequestView) -> answers.SentCase:
    request, asked = view.request, view.asked
    return answers.SentCase(
        number=request.case_number,
        title=asked.get("case_title"),
        severity=request.severity,
        escalated=request.escalated,
        url=asked.get("case_url"),
    )


def _engineer(view: RequestView) -> answers.SentEngineer:
    asked = view.asked
    return answers.SentEngineer(
        id=view.row.engineer_id,
        name=asked.get("engineer_name"),
        email=asked.get("engineer_email"),
        works_from=asked.get("works_from"),
    )


def _endorser(view: RequestView) -> answers.SentEndorser | None:
    endorser = view.asked.get("endorser_id")
    return None if endorser is None else answers.SentEndorser(id=endorser, name=view.asked.get("endorser_name"))


def _decision(vote: DecisionView) -> answers.Decision:
    terms = vote.terms
    return answers.Decision(
        verdict=vote.verdict,
        by=vote.by,
        at=vote.at,
        comment=vote.comment,
        terms=None
        if terms is None
        else answers.Terms(
            not_before=terms.not_before, not_after=terms.not_after, minutes=terms.minutes, roles=list(terms.roles)
        ),
    )


def _grant(grant: domain.Grant, view: RequestView) -> answers.Grant:
    elapsed = view.status is Status.ELAPSED
    return answers.Grant(
        id=grant.id,
        not_before=grant.not_before,
        not_after=grant.not_after,
        roles=list(grant.roles),
        ended_at=grant.not_after if elapsed else grant.ended_at,
        ended_because="elapsed" if elapsed else grant.ended_because,
    )


def _updated_at(view: RequestView) -> datetime:
    """When it last changed, by an event or by the clock."""
    request, grant = view.request, view.request.grant
    if view.status is Status.EXPIRED:
        return request.decide_by
    if grant is None or view.status is request.status:
        return request.updated_at
    return grant.not_before if view.status is Status.ACTIVE else grant.not_after
