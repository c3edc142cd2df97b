"""How HTTP is listened to: uvicorn's protocol, with an end to what a peer may send before anything can be judged."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose request line, headers or trailers go on past `MAX_HEAD` bytes.

    The parser gathers these in memory and sets no limit itself; bodies are handed on, and limited elsewhere.
    """

    _gathered = 0

    def data_received(self, data: bytes) -> None:
        """What the parser took without handing anything on is what it gathers."""
        self._gathered += len(data)
        super().data_received(data)
        if self._gathered > MAX_HEAD and not self.transport.is_closing():
            if getattr(self.cycle, "response_complete", True):  # none is being answered
                self.transport.write(_TOO_LONG)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """A head ended."""
        self._gathered = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body went on."""
        self._gathered = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request ended, with its trailers."""
        self._gathered = 0
        super().on_message_complete()
