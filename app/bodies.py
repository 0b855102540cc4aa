"""Bodies of requests: how long they may be and may take, and JSON that gradio can read."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import anyio
from starlette.types import Message, Receive

from app.answers import RequestError

BODY_SECONDS = 60.0  # in which a body of JSON must come
SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)  # gradio keeps the names that programs choose


def limit(receive: Receive, most: int) -> Receive:
    """Hands on a body as it comes, and refuses it as soon as it is longer than the limit in bytes."""
    seen = 0

    async def next_message() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise RequestError(413, f"the body is longer than {most} bytes; send less")
        return message

    return next_message


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request.

    Raises:
        RequestError: it takes longer than BODY_SECONDS.
    """
    body, more = bytearray(), True
    try:
        with anyio.fail_after(BODY_SECONDS):
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
    except TimeoutError:
        raise RequestError(
            408, f"the body took longer than {BODY_SECONDS:.0f} seconds; try again"
        ) from None
    return bytes(body)


def repeat(body: bytes, receive: Receive) -> Receive:
    """Hands out a body that was read already, then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


def check_json(body: bytes) -> dict[str, Any]:
    """The object in a body; refuses what gradio would take for JSON and then fail on.

    Raises:
        RequestError: no object, not UTF-8, numbers that are not finite, or no name of a session.
    """
    try:
        given = json.loads(body.decode(), parse_constant=refuse_constant, parse_float=read_finite)
        json.dumps(given, ensure_ascii=False).encode()  # half a surrogate pair cannot be encoded
    except (ValueError, RecursionError):
        raise RequestError(
            400, "the body is not UTF-8 JSON with finite numbers; correct it"
        ) from None
    if not isinstance(given, dict):
        raise RequestError(400, "the body is not a JSON object; send one, as in {...}")
    session = given.get("session_hash")
    if session is not None and not (isinstance(session, str) and SESSION.fullmatch(session)):
        raise RequestError(
            400, "session_hash: must be 1 to 64 letters, digits, - and _; choose another"
        )
    return given


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def read_finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(text)
    return number
