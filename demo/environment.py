"""A small environment behind the gate: a few pages with links and a form, and a log of its own.

`python -m demo.environment --port 9000 --log requests.jsonl`, on 127.0.0.1. Every request is a line of the log before
it is answered: `{"method", "uri", "session", "engineer", "cookie"}`, as the gate let it through.
"""

from __future__ import annotations

import argparse
import json
from html import escape
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

HOST = "127.0.0.1"
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Alma (demonstration)</title></head>
<h1>{title}</h1>
<p>You are <b>{account}</b> of {institution}, in session {session}.</p>
<ul><li><a href="/jobs">Jobs</a><li><a href="/jobs?name=fulfilment&amp;patron=4711">The fulfilment job</a></ul>
<form method="post" action="/jobs?run=now"><input name="job" value="fulfilment"><button>Run the job</button></form>
<form method="post" action="/countersign/gate/leave"><button>Leave</button></form>
"""


class Log:
    """The requests that reached this environment, a line of JSON each."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def note(self, request: Request) -> None:
        """Write one request down."""
        path, query = request.scope["raw_path"].decode("latin-1"), request.scope["query_string"].decode("latin-1")
        said = {
            "method": request.method,
            "uri": f"{path}?{query}" if query else path,
            "session": request.headers.get("countersign-session"),
            "engineer": request.headers.get("countersign-engineer"),
            "cookie": request.headers.get("cookie"),
        }
        self._file.write(json.dumps(said).encode() + b"\n")


def application(log: Log) -> Starlette:
    """The pages."""

    async def page(request: Request) -> Response:
        log.note(request)
        await request.body()
        told = {name: escape(request.headers.get(f"countersign-{name}", "")) for name in _TOLD}
        title = "The job runs" if request.method == "POST" else f"Alma, {escape(request.url.path)}"
        return HTMLResponse(_PAGE.format(title=title, **told))

    return Starlette(routes=[Route("/{path:path}", page, methods=["GET", "POST", "PUT", "DELETE"])])


_TOLD = ("account", "institution", "session")


def main() -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    wanted = parser.parse_args()
    config = uvicorn.Config(application(Log(wanted.log)), host=HOST, port=wanted.port, access_log=False)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
