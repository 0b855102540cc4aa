"""What is refused before gradio reads it: strangers, long and malformed bodies, doors without a use."""

from __future__ import annotations

import json
import shutil
import tempfile
from typing import Any

from gradio.route_utils import FnIndexInferError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.answers import RequestError
from app.bodies import check_json, limit, read_body, repeat
from app.login import Guesses, is_known

PREFIX = "/gradio_api"
UPLOAD = f"{PREFIX}/upload"
MCP = f"{PREFIX}/mcp"  # gradio asks nobody there for a password
SEGMENT = "/v1/segment"
OWN = ("/v1/", "/healthz", "/metrics")
JOIN = (f"{PREFIX}/queue/join", f"{PREFIX}/call/")
DIRECT = (f"{PREFIX}/run/", f"{PREFIX}/api/")
CLOSED = (
    *(
        f"{PREFIX}/{name}"
        for name in (
            *("process_recording", "vibe-", "undo-vibe", "deep_link", "proxy=", "stream/"),
            *("run-history", "runs", "dev/", "custom_component"),
        )
    ),
    "/pwa_icon/",
    "/svelte/",
)
BEFORE_LOGIN = tuple(  # what the page with the login asks for
    f"{PREFIX}/{name}" for name in ("theme.css", "user", "login_check", "app_id", "startup-events")
)

MAX_BODY = 1_000_000  # bytes of a request that holds no file
MAX_MESSAGE = 70_000_000  # of one from a language model, which may hold an image as text
MAX_UPLOADS = 2_000_000_000  # of all files of one upload; gradio limits each
MAX_IMAGE = 50_000_000  # of one image, and what surrounds it
MIN_FREE = 500_000_000  # bytes on the disk, below which nothing more is taken
MAX_PENDING = 100  # answers that one session has asked for and not fetched
MAX_SESSIONS = 1000  # whose answers wait; the oldest are forgotten

# What gradio raises for a body that is JSON, but none that it knows.
MALFORMED = (
    *(FnIndexInferError, LookupError, TypeError, ValueError, AttributeError, RecursionError),
)


class Guard:
    """Stands before gradio's application.

    Args:
        login: name and password, by gradio's cookies or as HTTP Basic does; None lets all in.
    """

    def __init__(self, app: ASGIApp, login: tuple[str, str] | None) -> None:
        self.app = app
        self.login = login
        self.guesses = Guesses()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        answer = Answer(send, direct=find_path(scope).startswith(DIRECT))
        try:
            receive = await self.admit(scope, receive, answer)
            await self.app(scope, receive, answer)
        except RequestError as refused:
            if answer.started:
                raise
            await refused.answer()(scope, receive, send)
        except RuntimeError as error:
            if not isinstance(error.__cause__, HTTPException):
                raise
            # A stream of answers that nobody waits for; gradio notices it too late for a status.
            await answer({"type": "http.response.body", "body": b""})
        except MALFORMED:
            if answer.started or scope["method"] != "POST":
                raise
            malformed = RequestError(
                400, "the body does not have the form that this URL expects; correct it"
            )
            await malformed.answer()(scope, receive, send)

    async def admit(self, scope: Scope, receive: Receive, answer: Answer) -> Receive:
        """Looks at a request; returns what hands on its body.

        Raises:
            RequestError: it is not served.
        """
        path, headers = find_path(scope), Headers(scope=scope)
        if path.startswith(CLOSED):
            raise RequestError(404, "not found")
        if path == UPLOAD:
            most = MAX_UPLOADS
        elif path.startswith(MCP):
            most = MAX_MESSAGE
        else:
            most = MAX_IMAGE if path == SEGMENT else MAX_BODY
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            raise RequestError(413, f"the body is longer than {most} bytes; send less")
        self.ask_for_login(scope, path, headers, answer)
        receive = limit(receive, most)
        if path in (UPLOAD, SEGMENT):  # read as they come
            if shutil.disk_usage(tempfile.gettempdir()).free < MIN_FREE:
                raise RequestError(503, "the server's disk is full; try again later")
            return receive
        if scope["method"] != "POST":
            return receive
        body = await read_body(receive)
        form = headers.get("content-type", "").startswith("multipart/")
        if path.startswith(PREFIX) and not path.startswith(MCP) and not form:
            given = check_json(body)
            if path.startswith(JOIN):
                make_room(scope["app"].get_blocks()._queue, given.get("session_hash"))
        return repeat(body, receive)

    def ask_for_login(self, scope: Scope, path: str, headers: Headers, answer: Answer) -> None:
        """Refuses strangers everywhere but on the page with the login, and those who guess.

        Raises:
            RequestError: they are not known, or have sent too many wrong passwords.
        """
        if self.login is None:
            return
        address = (scope.get("client") or ("",))[0]
        guesses = path.rstrip("/") == "/login" and scope["method"] == "POST"
        if (guesses or "authorization" in headers) and self.guesses.are_too_many(address):
            raise RequestError(429, "too many wrong passwords; wait a minute")
        if guesses:
            answer.on_failure = lambda: self.guesses.note(address)
            return
        if is_known(self.login, scope["app"], headers):
            return
        if "authorization" in headers:
            self.guesses.note(address)
        own = path.startswith((PREFIX, *OWN)) and not path.startswith(BEFORE_LOGIN)
        if own or scope["method"] not in ("GET", "HEAD"):
            raise RequestError(
                401, "not authenticated; send name and password, as curl -u NAME does"
            )


class Answer:
    """Hands on an answer of gradio's, and notes what became of it.

    Args:
        direct: gradio answers 500 there for errors that are the visitor's, too.
    """

    def __init__(self, send: Send, direct: bool) -> None:
        self.send = send
        self.direct = direct
        self.started = False
        self.on_failure: Any = None
        self._held: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            if self.on_failure and message["status"] >= 400:
                self.on_failure()
            if self.direct and message["status"] == 500:
                self._held = message
                return
        elif self._held:
            if is_told(message.get("body", b"")):
                self._held["status"] = 422
            await self.send(self._held)
            self._held = None
        await self.send(message)


def is_told(body: bytes) -> bool:
    """Whether gradio's answer is an error that was raised to be shown: it alone has a title."""
    try:
        return "title" in json.loads(body)
    except ValueError:
        return False


def make_room(queue: Any, session: str | None) -> None:
    """Bounds what gradio's queue keeps of answers that nobody fetches.

    Raises:
        RequestError: the session has too many.
    """
    waiting = queue.pending_event_ids_session
    if len(waiting.get(session, ())) >= MAX_PENDING:
        raise RequestError(
            429, f"{MAX_PENDING} results are waiting to be fetched; fetch them first"
        )
    for sessions in (waiting, queue.pending_messages_per_session):
        while len(sessions) > MAX_SESSIONS:
            del sessions[next(iter(sessions))]


def find_path(scope: Scope) -> str:
    """The path of a request, without that under which a proxy serves the page."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(f"{root}/") else path
