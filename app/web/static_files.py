"""Static files: read once, served at an address that changes with their content, so that browsers keep them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

_TYPES = {"css": "text/css; charset=utf-8", "svg": "image/svg+xml", "js": "text/javascript; charset=utf-8"}
_FOREVER = "public, max-age=31536000, immutable"


def _read() -> Mapping[str, bytes]:
    folder = files("app.web") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _TYPES}


FILES = _read()
VERSION = sha256(b"".join(sha256(content).digest() for _, content in sorted(FILES.items()))).hexdigest()[:12]

router = APIRouter(include_in_schema=False)


def static(name: str) -> str:
    """The address of a static file. Raises `KeyError` for one that is not there."""
    FILES[name]
    return f"/static/{VERSION}/{name}"


@router.api_route("/static/{version}/{name}", methods=["GET", "HEAD"])
async def serve(version: str, name: str) -> Response:
    """One file; at the address of another version it is served too, but not kept."""
    content = FILES.get(name)
    if content is None:
        return Response(status_code=404)
    headers = {
        "Cache-Control": _FOREVER if version == VERSION else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Security-Policy": "default-src 'none'",
    }
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)
