"""What is refused before gradio reads it: long bodies, doors that the page has no use for, strangers."""

from __future__ import annotations

import base64
import hmac
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/gradio_api"
UPLOAD = f"{PREFIX}/upload"  # whose files gradio itself limits as they come
MCP = f"{PREFIX}/mcp"  # gradio asks nobody there for a password
CLOSED = tuple(
    f"{PREFIX}/{name}" for name in ("process_recording", "vibe-", "deep_link", "proxy=", "stream/")
)
MAX_BODY = 1_000_000  # bytes of a request that holds no file
MAX_MESSAGE = 70_000_000  # of one from a language model, which may hold an image as text


class Guard:
    """Stands before gradio's application.

    Args:
        login: name and password that language models must send, as HTTP Basic does; None lets all in.
    """

    def __init__(self, app: ASGIApp, login: tuple[str, str] | None) -> None:
        self.app = app
        self.login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        headers = Headers(scope=scope)
        if path.startswith(CLOSED):
            return await PlainTextResponse("Not found", 404)(scope, receive, send)
        message = path.startswith(MCP)
        if message and not self.knows(scope["app"], headers):
            challenge = {"WWW-Authenticate": "Basic"}
            return await PlainTextResponse("Not authenticated", 401, challenge)(
                scope, receive, send
            )
        if path.rstrip("/") == UPLOAD:
            return await self.app(scope, receive, send)
        body = await read_body(receive, MAX_MESSAGE if message else MAX_BODY)
        if body is None:
            return await PlainTextResponse("The body is too long", 413)(scope, receive, send)
        return await self.app(scope, repeat(body, receive), send)

    def knows(self, app: Any, headers: Headers) -> bool:
        """Whether a request comes from someone who has logged in, or sends name and password."""
        if self.login is None:
            return True
        cookies = cookie_parser(headers.get("cookie", ""))
        names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
        if any(cookies.get(name) in app.tokens for name in names):
            return True
        expected = b"Basic " + base64.b64encode(":".join(self.login).encode())
        return hmac.compare_digest(headers.get("authorization", "").encode(), expected)


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The body of a request; None as soon as it is longer than the limit."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        more = message.get("more_body", False)
    return bytes(body)


def repeat(body: bytes, receive: Receive) -> Receive:
    """Hands out a body that was read already, then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message
