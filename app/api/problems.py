"""What went wrong, as a problem document (RFC 9457): the one place where a refusal meets its status.

Nothing of the inside is told: no stack, no query, no input back. What is unexpected is logged, and answered as
`internal`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from fastapi import Request
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.actions.problems import STATUS, TITLES
from app.domain.errors import FieldError, Refusal, Unavailable
from app.tokens.dpop import ALGORITHMS

MEDIA_TYPE = "application/problem+json"
RETRY_S = 5
MAX_ERRORS = 50
MAX_POINTER = 200
_BY_STATUS: Mapping[int, str] = {
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
    500: "internal",
}
# Members of a refusal whose names RFC 9457 has taken.
_RENAMED: Mapping[str, str] = {"status": "request_status"}
_WORDS: Mapping[str, str] = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field; leave it out.",
    "string_type": "This has to be a string.",
    "string_too_short": "At least {min_length} characters.",
    "string_too_long": "At most {max_length} characters.",
    "bool_type": "This has to be true or false.",
    "int_type": "This has to be a whole number, not in quotes.",
    "int_parsing": "This has to be a whole number.",
    "greater_than_equal": "At least {ge}.",
    "less_than_equal": "At most {le}.",
    "literal_error": "One of {expected}.",
    "enum": "One of {expected}.",
    "list_type": "This has to be a list.",
    "too_long": "At most {max_length} items.",
    "model_attributes_type": "This has to be an object.",
    "model_type": "This has to be an object.",
}
_log = structlog.get_logger("countersign.api")


class Pointed(BaseModel):
    """One field that is wrong: a JSON pointer (RFC 6901) to it, and what it has to be."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """A problem document. `type` is a page that explains the problem; further members depend on it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[Pointed] | None = None


def problem(request: Request, refusal: Refusal) -> Response:
    """The answer to a refusal."""
    slug = refusal.problem
    document = Problem(
        type=request.app.state.services.page(f"/problems/{slug}"),
        title=TITLES[slug],
        status=STATUS[slug],
        detail=refusal.detail,
        instance=request.url.path,
        errors=[Pointed(pointer=each.pointer, detail=each.detail) for each in refusal.errors] or None,
        **{_RENAMED.get(name, name): value for name, value in refusal.extra},
    )
    body = document.model_dump_json(exclude_none=True).encode()
    return Response(body, STATUS[slug], headers(request, refusal), MEDIA_TYPE)


def headers(request: Request, refusal: Refusal) -> dict[str, str]:
    """`Retry-After`, and the challenge of RFC 6750, section 3."""
    found = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    challenge = 'Bearer realm="countersign"'
    if refusal.problem == "unauthorized" and (dpop := dict(refusal.extra)).get("dpop_error"):
        found["WWW-Authenticate"] = f'DPoP error="{dpop["dpop_error"]}", algs="{" ".join(ALGORITHMS)}"'
        found["DPoP-Nonce"] = dpop["dpop_nonce"]
    elif refusal.problem == "unauthorized":
        sent = "authorization" in request.headers
        found["WWW-Authenticate"] = challenge + (', error="invalid_token"' if sent else "")
    elif refusal.problem == "insufficient-scope":
        scope = dict(refusal.extra)["scope"]
        found["WWW-Authenticate"] = f'{challenge}, error="insufficient_scope", scope="{scope}"'
    return found


def of_unavailable(error: Unavailable) -> Refusal:
    """A dependency in doubt: ask again."""
    return Refusal(error.problem, f"{error.detail[:1].upper()}{error.detail[1:]}", retry_after=RETRY_S)


def of_unexpected(error: Exception) -> Refusal:
    """A fault of ours: logged here, and not told."""
    _log.error("unexpected", exc_info=error)
    return Refusal("internal", "Something unexpected happened; whatever was not acknowledged has to be asked again.")


def of_http(error: HTTPException) -> Refusal:
    """What the framework itself refuses."""
    slug = _BY_STATUS.get(error.status_code, "internal" if error.status_code >= 500 else "malformed")
    return Refusal(slug, f"{TITLES[slug]}.")


def of_validation(errors: Sequence[Mapping[str, Any]]) -> Refusal:
    """What pydantic found, in plain words; never the input itself."""
    told = tuple(map(_pointed, errors[:MAX_ERRORS]))
    detail = "One field is wrong." if len(errors) == 1 else f"{len(errors)} fields are wrong."
    return Refusal("validation", f"{detail} Nothing was changed.", told)


def _pointed(error: Mapping[str, Any]) -> FieldError:
    words = _WORDS.get(error["type"])
    detail = error["msg"] if words is None else words.format(**error.get("ctx", {}))
    return FieldError(_pointer(error["loc"][1:]), detail)


def _pointer(path: Iterable[object]) -> str:
    """RFC 6901; of a path that the sender made very long, what it begins with."""
    pointer = ""
    for part in path:
        longer = pointer + "/" + str(part).replace("~", "~0").replace("/", "~1")
        if len(longer) > MAX_POINTER:
            break
        pointer = longer
    return pointer


def documented(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """What a route's description says about the problems it may answer with, by status."""
    found: dict[int | str, dict[str, Any]] = {}
    for slug in dict.fromkeys(slugs):
        media = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
        told = found.setdefault(STATUS[slug], {"description": "", "content": {MEDIA_TYPE: media}})
        told["description"] = ", ".join(filter(None, [told["description"], f"`{slug}`"]))
        told["content"][MEDIA_TYPE]["examples"][slug] = {"value": _example(slug)}
    return found


def _example(slug: str) -> dict[str, object]:
    example = {"type": f"https://countersign.example/problems/{slug}", "title": TITLES[slug], "status": STATUS[slug]}
    return example | {"detail": f"{TITLES[slug]}."}
