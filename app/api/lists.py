"""Lists, page by page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel

from app.actions.services import Services


def next_link(services: Services, path: str, query: BaseModel, cursor: str | None) -> dict[str, str]:
    """The `Link` to the next page (RFC 8288) of what `query` asks at `path`, where there is one."""
    if cursor is None:
        return {}
    asked: dict[str, Any] = query.model_dump(mode="json", by_alias=True, exclude_none=True) | {"cursor": cursor}
    return {"Link": f'<{services.page(path)}?{urlencode(asked)}>; rel="next"'}
