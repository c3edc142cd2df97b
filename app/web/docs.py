"""The API, described for people, from the same document that `/openapi.json` serves: no script, nothing from elsewhere.

What the description says is laid out by its tags: each operation with what is sent, what is answered, and the problems
it may answer with; then every schema, field by field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import Response

from app.actions.ledger import NOT_FOUND
from app.domain.errors import Refused
from app.web.call import CallDep
from app.web.page_route import GET, pages

Json = Mapping[str, Any]
router = pages()

_REFS = "#/components/schemas/"
_PROBLEM = "application/problem+json"
_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "maxItems": "at most {} items",
    "pattern": "like {}",
    "format": "{}",
    "default": "else {}",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field or parameter. `link` is the schema that its type leads to."""

    name: str
    type: str
    link: str | None
    required: bool
    words: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One status of an operation; `problems` are the slugs that it may come with."""

    status: str
    words: str
    link: str | None
    example: str | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, or one kind of message to a webhook."""

    id: str
    method: str
    path: str
    summary: str
    words: str
    scopes: tuple[str, ...]
    parameters: tuple[Field, ...]
    body: Answer | None
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema: its fields, or the values that it may have."""

    name: str
    words: str
    fields: tuple[Field, ...]
    values: tuple[str, ...]


@router.api_route("/docs", methods=GET)
async def docs(call: CallDep, request: Request) -> Response:
    """The page; it is laid out once. Raises `Refused` not-found where the pages stand without the API."""
    state = request.app.state
    if not hasattr(state, "description"):
        raise Refused(NOT_FOUND)
    if not hasattr(state, "docs"):
        state.docs = laid_out(state.description)
    return call.page("docs.html", state.docs)


def laid_out(document: Json) -> Mapping[str, Any]:
    """What the page shows of a description."""
    schemas = document["components"]["schemas"]
    groups: dict[str, list[Operation]] = {}
    for kind in ("paths", "webhooks"):
        for path, item in document[kind].items():
            for method, each in item.items():
                tag = "Webhooks" if kind == "webhooks" else each.get("tags", ["Operations"])[0]
                verb = "POST to you" if kind == "webhooks" else method.upper()
                groups.setdefault(tag, []).append(_operation(schemas, verb, path, each))
    scopes = document["components"]["securitySchemes"]["client"]["flows"]["clientCredentials"]["scopes"]
    return {
        "about": document["info"],
        "groups": [(tag, tag.lower().replace(" ", "-").replace(".", "-"), found) for tag, found in groups.items()],
        "schemas": [_schema(name, each) for name, each in sorted(schemas.items())],
        "scopes": sorted(scopes.items()),
    }


def _operation(schemas: Json, method: str, path: str, each: Json) -> Operation:
    asked = {scope for one in each.get("security", []) for scopes in one.values() for scope in scopes}
    sent = each.get("requestBody")
    return Operation(
        id=each["operationId"],
        method=method,
        path=path,
        summary=each["summary"],
        words=each.get("description", ""),
        scopes=tuple(sorted(asked)),
        parameters=tuple(_parameter(one) for one in each.get("parameters", [])),
        body=None if sent is None else _answer(schemas, "", sent),
        answers=tuple(_answer(schemas, status, one) for status, one in sorted(each["responses"].items())),
    )


def _parameter(each: Json) -> Field:
    type_, link = _type(each["schema"])
    words = "; ".join(filter(None, [each.get("description", ""), *_limits(each["schema"])]))
    return Field(f"{each['name']} ({each['in']})", type_, link, bool(each.get("required")), words)


def _answer(schemas: Json, status: str, each: Json) -> Answer:
    content = each.get("content", {})
    problems = tuple(sorted(content.get(_PROBLEM, {}).get("examples", {})))
    words = "" if problems or each.get("description") == "Successful Response" else each.get("description", "")
    kind, media = next(iter(content.items()), ("", dict[str, Any]()))
    _, link = _type(media.get("schema", {}))
    example = None if problems else _example(schemas, media)
    words = "; ".join(filter(None, [words, "" if link or problems else kind]))
    return Answer(status, words, None if problems else link, example, problems)


def _example(schemas: Json, media: Json) -> str | None:
    named = schemas.get(media.get("schema", {}).get("$ref", "").removeprefix(_REFS), {})
    found = [media["example"]] if "example" in media else named.get("examples", [])
    for each in found:
        return each if isinstance(each, str) else json.dumps(each, ensure_ascii=False, indent=2)
    return None


def _schema(name: str, each: Json) -> Schema:
    required = each.get("required", [])
    fields = []
    for field, one in each.get("properties", {}).items():
        type_, link = _type(one)
        words = "; ".join(filter(None, [one.get("description", ""), *_limits(one)]))
        fields.append(Field(field, type_, link, field in required, words))
    return Schema(name, each.get("description", ""), tuple(fields), tuple(map(str, each.get("enum", []))))


def _type(schema: Json) -> tuple[str, str | None]:
    """A type in words, and the schema that it leads to."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REFS)
        return name, name
    if "anyOf" in schema:
        found = [_type(each) for each in schema["anyOf"]]
        return " or ".join(words for words, _ in found), next((link for _, link in found if link), None)
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"]), None
    if "const" in schema:
        return f"`{schema['const']}`", None
    if schema.get("type") == "array":
        words, link = _type(schema.get("items", {}))
        return f"list of {words}", link
    return schema.get("type", "any value"), None


def _limits(schema: Json) -> Iterator[str]:
    for each in [schema, *schema.get("anyOf", [])]:
        for name, words in _LIMITS.items():
            if each.get(name) is not None:
                value = each[name]
                yield words.format(f"`{value}`" if name in {"pattern", "default"} else value)
